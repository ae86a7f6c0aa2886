"""Text as it was transcribed or typed, made plain for matching, with the way back to the original characters.

Whisper writes the same words in many dresses: with and without case and punctuation, with curly apostrophes, fullwidth
letters, traditional or simplified characters, fillers and stutters. `Tokenizer` takes them off. Each token keeps the
characters it came from, so that what was found can be quoted as it was said.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, takewhile
from operator import add
from typing import Any

HARD_BREAK = "."
"""Token of a sentence's end: full stop, question mark, exclamation mark, a new line."""
SOFT_BREAK = ","
"""Token of a pause within a sentence: comma, semicolon, colon, dash, bracket, three dots."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_LETTER = rf"[^\W_{_HAN}]"
_TOKEN = re.compile(
    rf"\[[a-z][a-z_ ]*\]|\d+(?:[.,:]\d+)*(?![^\W_])|[{_HAN}]|{_LETTER}+(?:'{_LETTER}+)*"  # marks, numbers, words
    r"|\.{2,}|[,;:、()<>\u2012-\u2015]|(?<!\S)-+(?!\S)|[.!?。\n]+"  # pauses, ends of sentences
)
_BREAKS = frozenset((HARD_BREAK, SOFT_BREAK))
_ENDS = frozenset(".!?。\n")
_HAN_CHARACTER = re.compile(f"[{_HAN}]")
_FIRST_CODE = 0x10000
"""Beyond the characters for which `re` makes a set a bitmap of 64 Ki, which takes longer to compile than to use."""
CACHED_TOKENS = 20_000
"""Tokens that a vocabulary keeps at hand beside its own."""
_MAX_STUTTER = 3
"""Tokens of the longest repetition that counts as a stutter: "can I can I speak" """

_TRADITIONAL = (
    "轉請給經個們說話電聯繫係員機務問題錯還這裡裏來沒無為爲時間現實專處訴級導領責頭換幫讓聽講談對開關應該會過從後進動點號碼嗎麼麽誰認識謝煩氣"
    "線麻與跟讓證權單賬帳錢幾離難願總統辦長愛見覺記調試簡體繼續雙買賣費質險絕報壞髒罵騙詐賠償復複覆壓緊產業網絡連斷傳輸傷標準確誤"
    "資訊詢語音傾閒熱親臺灣灣訂購車貨樓戶啟載鐘鍾週歲兩萬億樣種雖負誠態嚴釋議論設計劃歡聲變參運營銀針歷東書寫讀歸結給終維組織義區協"
    "顯選遠達遲適採隨隱靜順須顧預飛養驗檢極樂檔歡殘減測湯溫滿滯潔灘災煙獨獲環療監盤眾矚礎禮禍稱穩競筆範築籤糾紀約級紅納純細紹細終組絡"
)
_SIMPLIFIED = (
    "转请给经个们说话电联系系员机务问题错还这里里来没无为为时间现实专处诉级导领责头换帮让听讲谈对开关应该会过从后进动点号码吗么么谁认识谢烦气"
    "线麻与跟让证权单账账钱几离难愿总统办长爱见觉记调试简体继续双买卖费质险绝报坏脏骂骗诈赔偿复复复压紧产业网络连断传输伤标准确误"
    "资讯询语音倾闲热亲台湾湾订购车货楼户启载钟钟周岁两万亿样种虽负诚态严释议论设计划欢声变参运营银针历东书写读归结给终维组织义区协"
    "显选远达迟适采随隐静顺须顾预飞养验检极乐档欢残减测汤温满滞洁滩灾烟独获环疗监盘众瞩础礼祸称稳竞笔范筑签纠纪约级红纳纯细绍细终组络"
)
_PLAIN = str.maketrans("’‘ʼ＇`´ё" + _TRADITIONAL, "''''''е" + _SIMPLIFIED)


class TokenizedText:
    """A text as plain tokens, and where each came from.

    Parameters
    ----------
    original : str
    tokens : sequence of str
    origins : sequence of (int, int), optional
        Which of the tokens that the text is cut into each came from, half open; by default each is the one of its own
        place.
    codes : str
        As of `CodedText`.

    Attributes
    ----------
    original : str
    tokens : sequence of str
        A Han character is a token of its own; `HARD_BREAK` and `SOFT_BREAK` stand for the punctuation.
    coded : CodedText
        What phrases are matched with.
    """

    __slots__ = ("_origins", "_starts", "coded", "original", "tokens")

    def __init__(
        self, original: str, tokens: Sequence[str], *, origins: Sequence[tuple[int, int]] | None = None, codes: str
    ) -> None:
        self.original = original
        self.tokens = tokens
        self.coded = CodedText(codes)
        self._origins = origins
        self._starts: tuple[int, ...] | None = None

    @property
    def text(self) -> str:
        """The tokens in order, each followed by one space: ``"i want , a person . "``."""
        return " ".join([*self.tokens, ""])

    @property
    def starts(self) -> tuple[int, ...]:
        """Position in `text` of the first character of each token, and the length of `text`."""
        if self._starts is None:
            self._starts = tuple(accumulate([len(token) + 1 for token in self.tokens], initial=0))
        return self._starts

    @property
    def spans(self) -> Sequence[tuple[int, int]]:
        """Characters of `original` that each token came from, half open."""
        places = _places(self.original)
        if self._origins is None:
            return places
        return [(places[first][0], places[last - 1][1]) for first, last in self._origins]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the original that ``text[start:end]`` came from, half open.

        Parameters
        ----------
        start, end : int
            Positions in `text`; `start` is the first character of a token, and `end` lies behind it.
        """
        return self.span_of(bisect_left(self.starts, start), bisect_left(self.starts, end))

    def span_of(self, first: int, last: int) -> tuple[int, int]:
        """Return the characters of the original that ``tokens[first:last]`` came from, half open."""
        spans = self.spans
        return spans[first][0], spans[last - 1][1]

    def quote(self, start: int, end: int) -> str:
        """Return the words of the original that ``text[start:end]`` came from."""
        return self.original[slice(*self.span(start, end))].strip()


class CodedText:
    """The codes of a text's tokens, and what is known of them while phrases are looked for.

    Parameters
    ----------
    codes : str
        One character a token, as `Vocabulary` has it.

    Attributes
    ----------
    codes : str
        The same, and `END` behind them.
    present : frozenset of str
        The codes, and all pairs of neighbouring ones.
    looked : dict
        By whom something was looked for, and from which token on: where it ends.
    found : dict
        By whom phrases were looked for: what was found at first sight.
    """

    __slots__ = ("codes", "found", "looked", "present")

    END = "\x00"
    """No token's code."""

    def __init__(self, codes: str) -> None:
        self.codes = codes + self.END
        self.present = frozenset(codes).union(map(add, codes, codes[1:]))
        self.looked: dict[tuple[object, int], Sequence[int]] = {}
        self.found: dict[object, Any] = {}

    def places(self, codes: frozenset[str] | None, *, opening: bool = False) -> Iterable[int]:
        """Return where a token has one of these codes; None stands for all codes.

        With `opening`, only the starts of sentences count.
        """
        if opening:
            return [place for place in self._openings() if codes is None or self.codes[place] in codes]
        if codes is None:
            return range(len(self.codes) - 1)
        return [place for place, code in enumerate(self.codes) if code in codes]

    def _openings(self) -> list[int]:
        codes = self.codes
        return [0, *(place for place in range(1, len(codes) - 1) if codes[place - 1] == Vocabulary.HARD)]


class _Codes(dict[str, str]):
    """Codes by token; that of a token which is not in it is found out, and kept as long as there is room."""

    def __init__(self, codes: Mapping[str, str], find_out: Callable[[str], str]) -> None:
        super().__init__(codes)
        self._find_out = find_out
        self._room = len(codes) + CACHED_TOKENS

    def __missing__(self, token: str) -> str:
        code = self._find_out(token)
        if len(self) < self._room:
            self[token] = code
        return code


class Vocabulary:
    """The tokens that phrases are made of, each with a character of its own, so that a word is matched in one step.

    Beginnings of words ("operator*") have a character, too: that of all tokens that begin like this and are not in the
    vocabulary themselves.
    """

    OTHER = "\x03"
    """Stands for every token that the phrases do not have."""
    HARD = "\x01"
    """Stands for `HARD_BREAK`."""
    SOFT = "\x02"
    """Stands for `SOFT_BREAK`."""

    def __init__(self, tokens: Iterable[str] = (), beginnings: Iterable[str] = ()) -> None:
        self._codes: dict[str, str] = {}
        self._beginnings: dict[str, str] = {}
        for table, entries in ((self._codes, tokens), (self._beginnings, beginnings)):
            for entry in entries:
                if entry not in table:
                    table[entry] = chr(_FIRST_CODE + len(self._codes) + len(self._beginnings))
        self._lengths = sorted({len(beginning) for beginning in self._beginnings}, reverse=True)
        self._shortest = self._lengths[-1] if self._lengths else 0
        self._stems = {beginning[: self._shortest] for beginning in self._beginnings}
        self._sorted = sorted([*self._codes.items(), *self._beginnings.items()])
        self._known = _Codes({HARD_BREAK: self.HARD, SOFT_BREAK: self.SOFT} | self._codes, self._by_beginning)

    def encode(self, tokens: Iterable[str]) -> str:
        """Return one character for each token."""
        return "".join(map(self._known.__getitem__, tokens))

    def code(self, token: str) -> str:
        """Return the character of a token of the vocabulary."""
        return self._codes[token]

    def codes_of(self, beginning: str) -> str:
        """Return the characters of everything that begins like one of the vocabulary's beginnings."""
        first = bisect_left(self._sorted, (beginning,))
        return "".join(
            code for _, code in takewhile(lambda entry: entry[0].startswith(beginning), self._sorted[first:])
        )

    def _by_beginning(self, token: str) -> str:
        if token[: self._shortest] not in self._stems:
            return self.OTHER
        for length in self._lengths:
            if code := self._beginnings.get(token[:length]):
                return code
        return self.OTHER


_Origins = Sequence[tuple[int, int]] | None
"""As of `TokenizedText`."""


class Tokenizer:
    """Makes text plain: Unicode form, case, apostrophes, variants of characters, punctuation, fillers, stutters.

    Case is folded and NFKC applied (fullwidth forms become plain ones), ``ё`` is ``е``, traditional Chinese characters
    become simplified ones as far as a table of common ones goes, hyphens part words, quotation marks vanish. A
    redaction mark such as ``[card]`` is one token.

    Parameters
    ----------
    fillers : iterable of str
        Words or sequences of words that mean nothing and are left out: "uh", "you know".
    rewrites : mapping of str to str
        Sequences of words, and what stands in their place: "gonna" is "going to". For contractions and for what speech
        recognition typically mishears. The longest fits first; the result is not rewritten again.
    collapse : bool
        Leave out repetitions of up to three words: "I want I want to, to speak". A single Han character may repeat
        itself (谢谢).

    Examples
    --------
    >>> Tokenizer(fillers=["uh"], rewrites={"can't": "can not"})("I, uh, I CAN’T see…").text
    'i can not see , '
    """

    def __init__(
        self, *, fillers: Iterable[str] = (), rewrites: Mapping[str, str] | None = None, collapse: bool = True
    ) -> None:
        table = dict.fromkeys(fillers, "") | dict(rewrites or {})
        self._rewrites: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
        for heard, meant in table.items():
            key = words(heard)
            for spelled in {key, tuple(token.replace("n't", "nt") for token in key)}:
                self._rewrites.setdefault(spelled[0], []).append((spelled, words(meant)))
        for variants in self._rewrites.values():
            variants.sort(key=lambda variant: -len(variant[0]))
        self._collapse = collapse
        self._vocabulary = Vocabulary()

    def learn(self, vocabulary: Vocabulary) -> None:
        """Take the vocabulary that `TokenizedText.codes` are written in."""
        self._vocabulary = vocabulary

    def __call__(self, text: str) -> TokenizedText:
        """Return the tokens of a text."""
        cut = _cut(text)
        tokens: Sequence[str] = cut
        origins: _Origins = None
        if not self._rewrites.keys().isdisjoint(cut):
            tokens, origins = self._rewrite(cut)
        if self._collapse and len(set(tokens)) < len(tokens):
            tokens, origins = _without_stutters(tokens, origins)
        return TokenizedText(text, tokens, origins=origins, codes=self._vocabulary.encode(tokens))

    def replaces(self, sequence: Sequence[str]) -> bool:
        """Tell whether these tokens never come out as they are: a filler, or what is rewritten."""
        if self._rewrites.keys().isdisjoint(sequence):
            return False
        for index, token in enumerate(sequence):
            for heard, _ in self._rewrites.get(token, ()):
                if tuple(sequence[index : index + len(heard)]) == heard:
                    return True
        return False

    def _rewrite(self, tokens: tuple[str, ...]) -> tuple[list[str], list[tuple[int, int]]]:
        done: list[str] = []
        origins: list[tuple[int, int]] = []
        index, count = 0, len(tokens)
        rewrites = self._rewrites
        while index < count:
            token = tokens[index]
            for heard, meant in rewrites.get(token, ()):
                last = index + len(heard)
                if tokens[index:last] != heard:
                    continue
                done += meant
                origins += [(index, last)] * len(meant)
                index = last
                if not meant and index < count and tokens[index] == SOFT_BREAK:
                    index += 1
                    if done and done[-1] == SOFT_BREAK:
                        done.pop()
                        origins.pop()
                break
            else:
                done.append(token)
                index += 1
                origins.append((index - 1, index))
        leading = 0
        while leading < len(done) and done[leading] in _BREAKS:
            leading += 1
        del done[:leading], origins[:leading]
        return done, origins


@lru_cache(maxsize=16_384)
def words(text: str) -> tuple[str, ...]:
    """Return the tokens of a piece of text without its punctuation, nothing rewritten or left out."""
    if text.isalpha():
        plain, _ = _fold(text)
        if plain.isalpha() and (plain.isascii() or not _HAN_CHARACTER.search(plain)):
            return (plain,)
    return tuple(token for token in _cut(text) if token not in _BREAKS)


@lru_cache(maxsize=4)
def _cut(text: str) -> tuple[str, ...]:
    """Cut a text into tokens; breaks that follow one another become one, leading ones none.

    The last few texts are kept, for one book of phrases after the other reads the same.
    """
    tokens: list[str] = []
    for found in _TOKEN.findall(_fold(text)[0]):
        if found[0].isalnum():
            tokens.append(found)
        elif found[0] == "[":
            tokens.append(found.replace(" ", "_"))
        elif tokens:
            token = HARD_BREAK if found[0] in _ENDS and found[:2] != ".." else SOFT_BREAK
            if tokens[-1] in _BREAKS:
                token = HARD_BREAK if HARD_BREAK in (token, tokens.pop()) else SOFT_BREAK
            tokens.append(token)
    return tuple(tokens)


@lru_cache(maxsize=4)
def _places(text: str) -> list[tuple[int, int]]:
    """Return the characters that each token of `_cut` came from, half open; of breaks made one, the last."""
    plain, origins = _fold(text)
    places: list[tuple[int, int]] = []
    broken = False
    for match in _TOKEN.finditer(plain):
        start, end = match.span()
        breaks = not (plain[start].isalnum() or plain[start] == "[")
        if origins is not None:
            start, end = origins[start][0], origins[end - 1][1]
        if breaks and broken:
            places[-1] = start, end
        elif places or not breaks:
            places.append((start, end))
            broken = breaks
    return places


def _fold(text: str) -> tuple[str, list[tuple[int, int]] | None]:
    """Return the text in plain characters, and those each came from (half open); None where 1:1."""
    if text.isascii():
        return text.lower(), None
    folded = text.casefold()
    if len(folded) == len(text) and unicodedata.is_normalized("NFKC", folded):
        return folded.translate(_PLAIN), None
    characters: list[str] = []
    places: list[tuple[int, int]] = []
    index = 0
    while index < len(text):
        end = index + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        plain = "..." if text[index] == "…" else unicodedata.normalize("NFKC", text[index:end]).casefold()
        characters.append(plain)
        places += [(index, end)] * len(plain)
        index = end
    return "".join(characters).translate(_PLAIN), places


def _without_stutters(tokens: Sequence[str], origins: _Origins) -> tuple[Sequence[str], _Origins]:
    """Leave out the earlier of two equal neighbouring runs of tokens, with a pause between them or none."""
    done: list[str] = []
    left: list[int] = []
    for index, token in enumerate(tokens):
        done.append(token)
        left.append(index)
        if token in _BREAKS or token not in done[-2 - _MAX_STUTTER : -1]:
            continue
        for length in range(1, _MAX_STUTTER + 1):
            before = len(done) - length
            end = before - (before > 0 and done[before - 1] == SOFT_BREAK)
            if end < length or done[end - 1] != token or done[end - length : end] != done[before:]:
                continue
            if HARD_BREAK in done[before:] or done[before] == SOFT_BREAK:
                continue
            if length == 1 and (token.isdecimal() or _HAN_CHARACTER.match(token)):
                continue
            del done[end - length : before], left[end - length : before]
            break
    if len(done) == len(tokens):
        return tokens, origins
    return done, [(index, index + 1) if origins is None else origins[index] for index in left]
