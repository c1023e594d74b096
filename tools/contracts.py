"""Compile contracts/Disperser.sol with npm's solc, into contracts/Disperser.json: `make contracts`."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any, Final

from masq.keccak import keccak256

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "contracts" / "Disperser.sol"
ARTIFACT: Final = ROOT / "contracts" / "Disperser.json"
SOLC: Final = ROOT / ".tools" / "node_modules" / ".bin" / "solcjs"
SETTINGS: Final = {
    "evmVersion": "paris",  # No opcode younger than that: the code runs on every fork since.
    "optimizer": {"enabled": True, "runs": 1_000_000},
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
    "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]}},
}


def compiled() -> dict[str, Any]:
    """The artifact, as it is committed. RuntimeError: the compiler found something wrong."""
    source = SOURCE.read_text()
    asked = {"language": "Solidity", "sources": {SOURCE.name: {"content": source}}, "settings": SETTINGS}
    command = [str(SOLC), "--standard-json"]
    answer = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True).stdout
    found = json.loads(answer[answer.index("{") :])  # Before it, the command may say which SMT solver it lacks.
    if problems := [each["formattedMessage"] for each in found.get("errors", ())]:
        raise RuntimeError("\n".join(problems))
    contract = found["contracts"][SOURCE.name][SOURCE.stem]
    version = subprocess.run([str(SOLC), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    runtime = contract["evm"]["deployedBytecode"]["object"]
    return {
        "compiler": f"solc {version}",
        "settings": SETTINGS,
        "source_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "runtime_keccak256": keccak256(bytes.fromhex(runtime)).hex(),
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "runtime": "0x" + runtime,
        "abi": contract["abi"],
    }


def text(artifact: dict[str, Any]) -> str:
    return json.dumps(artifact, indent=1) + "\n"


if __name__ == "__main__":
    ARTIFACT.write_text(text(compiled()))
