"""BIP-39: the words that a wallet can be written down as (accounting.md 5.2)."""

from __future__ import annotations

from typing import Final

from mnemonic import Mnemonic

LANGUAGES: Final = {
    "English": "english",
    "Chinese": "chinese_simplified",
    "Traditional Chinese": "chinese_traditional",
    "French": "french",
    "Italian": "italian",
    "Japanese": "japanese",
    "Korean": "korean",
    "Spanish": "spanish",
    "Czech": "czech",
    "Portuguese": "portuguese",
}
"""The network's names of the languages, and those of the word lists: all of BIP-39's. 0.9.1 lacks the last two."""

WORD_COUNTS: Final = (12, 15, 18, 21, 24)


def entropy_size(words: int) -> int:
    """How many random bytes a phrase of so many words holds. ValueError if no phrase is that long."""
    if words not in WORD_COUNTS:
        raise ValueError(f"a phrase has 12, 15, 18, 21 or 24 words, not {words}")
    return words * 4 // 3


def phrase_of(entropy: bytes, language: str = "English") -> str:
    """The phrase that stands for `entropy`, which has 16, 20, 24, 28 or 32 bytes."""
    return str(_word_list(language).to_mnemonic(entropy))


def seed_of(phrase: str, passphrase: str = "", language: str = "English") -> bytes:
    """The 64-byte seed of a phrase. ValueError, which never repeats a word, says what is wrong with it."""
    word_list = _word_list(language)
    # Ideographic spaces and doubled blanks come from copying a phrase, and aren't part of it.
    words = Mnemonic.normalize_string(phrase).split()
    entropy_size(len(words))
    known = frozenset(word_list.wordlist)
    wrong = [str(number) for number, word in enumerate(words, 1) if word not in known]
    if wrong:
        raise ValueError(f"not in the word list of {language}: word {', '.join(wrong)} of the phrase")
    if not word_list.check(" ".join(words)):
        raise ValueError("the checksum of the phrase is wrong: check the words and their order")
    return bytes(Mnemonic.to_seed(" ".join(words), passphrase))


def _word_list(language: str) -> Mnemonic:
    name = LANGUAGES.get(language.title())
    if name is None:
        raise ValueError(f"no language of phrases is called {language!r}: choose from {', '.join(LANGUAGES)}")
    return Mnemonic(name)
