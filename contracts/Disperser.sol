// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.30;

/// Pays many creditors in one transaction, each by a transfer from the caller to the creditor, so that the token's own
/// Transfer log says who paid whom. It holds nothing, belongs to nobody and can't be changed: all that it can move is
/// what its caller has allowed it to, and only in a call of that caller.
contract Disperser {
    /// A creditor who got nothing, as the token refused that transfer. The others are paid all the same.
    event Unpaid(address indexed payer, address indexed creditor, uint256 amount);

    /// What one transfer may use: no token can use up what the transfers behind it need.
    uint256 private constant GAS_EACH = 100_000;

    function disperse(address token, address[] calldata creditors, uint256[] calldata amounts) external {
        require(creditors.length == amounts.length, "as many amounts as creditors");
        require(token.code.length > 0, "no token there");
        for (uint256 i = 0; i < creditors.length; i++) {
            if (!_transfer(token, creditors[i], amounts[i])) emit Unpaid(msg.sender, creditors[i], amounts[i]);
        }
    }

    /// Some tokens answer false, some revert, and some answer nothing if all went well.
    function _transfer(address token, address creditor, uint256 amount) private returns (bool) {
        // transferFrom(address,address,uint256)
        bytes memory data = abi.encodeWithSelector(0x23b872dd, msg.sender, creditor, amount);
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
