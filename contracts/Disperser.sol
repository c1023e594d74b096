// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.30;

/// Pays many creditors in one transaction, each by a transfer from the caller to the creditor, so that the token's own
/// Transfer log says who paid whom. It holds nothing, belongs to nobody and can't be changed: all that it can move is
/// what a payer has allowed it to, and only in a call of that payer, or by a voucher that the payer has signed.
contract Disperser {
    /// A creditor who got nothing, as the token refused that transfer. The others are paid all the same.
    event Unpaid(address indexed payer, address indexed creditor, uint256 amount);

    /// What one transfer may use: no token can use up what the transfers behind it need.
    uint256 private constant GAS_EACH = 100_000;

    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant VOUCHER = keccak256("Voucher(address token,address payer,address payee,uint256 total)");
    bytes32 private constant NAME = keccak256("MASQ vouchers");
    bytes32 private constant VERSION = keccak256("1");

    /// Half of the order of secp256k1: a signature with a higher s is another's twin.
    uint256 private constant MOST_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// What vouchers have paid so far, by token, payer and payee. It only grows.
    mapping(address => mapping(address => mapping(address => uint256))) public redeemed;

    function disperse(address token, address[] calldata creditors, uint256[] calldata amounts) external {
        require(creditors.length == amounts.length, "as many amounts as creditors");
        require(token.code.length > 0, "no token there");
        for (uint256 i = 0; i < creditors.length; i++) {
            if (!_transfer(token, msg.sender, creditors[i], amounts[i])) emit Unpaid(msg.sender, creditors[i], amounts[i]);
        }
    }

    /// Pays `amount` of what a payer has promised: a voucher (EIP-712) of `total` wei is for all that vouchers pay from
    /// this payer to this payee, ever. So one more voucher makes those before it worthless, and none pays twice. Anybody
    /// may hand it in, as nobody else gets anything.
    function redeem(
        address token,
        address payer,
        address payee,
        uint256 total,
        uint256 amount,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        require(token.code.length > 0, "no token there");
        require(uint256(s) <= MOST_S, "a signature with a high s");
        bytes32 domain = keccak256(abi.encode(DOMAIN, NAME, VERSION, block.chainid, address(this)));
        bytes32 voucher = keccak256(abi.encode(VOUCHER, token, payer, payee, total));
        address signer = ecrecover(keccak256(abi.encodePacked(hex"1901", domain, voucher)), v, r, s);
        require(signer != address(0) && signer == payer, "not signed by the payer");
        uint256 before = redeemed[token][payer][payee];
        require(amount > 0 && before <= total && amount <= total - before, "more than is promised");
        redeemed[token][payer][payee] = before + amount;
        require(_transfer(token, payer, payee, amount), "the token refused");
    }

    /// Some tokens answer false, some revert, and some answer nothing if all went well.
    function _transfer(address token, address payer, address creditor, uint256 amount) private returns (bool) {
        // transferFrom(address,address,uint256)
        bytes memory data = abi.encodeWithSelector(0x23b872dd, payer, creditor, amount);
        bool done;
        bytes32 answer;
        uint256 size;
        assembly ("memory-safe") {
            // Of what is answered 32 bytes are taken, however much it is.
            done := call(GAS_EACH, token, 0, add(data, 32), mload(data), 0, 32)
            answer := mload(0)
            size := returndatasize()
        }
        return done && (size == 0 || (size >= 32 && uint256(answer) == 1));
    }
}
