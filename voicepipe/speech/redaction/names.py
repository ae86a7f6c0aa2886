"""Names and passwords: found by what announces them, and names by a title or a patronymic.

Cues of names in the language files: ``strong`` announces ("my name is"), ``cased`` does where a capital or the form of
a surname follows ("на имя ..."), ``maybe`` where the words that follow look like a name ("this is ... speaking"),
``ask`` is a question that the other side answers.
A name that was found once in a call is found again by its words alone.
"""

import re
from collections.abc import Iterator, Sequence

from voicepipe.speech.redaction.kinds import Kind, Span
from voicepipe.speech.redaction.lexicon import HAN, ROLE, SENTENCE_END, Cue, Tokens

_LINK, _FILLER = ROLE["link"], ROLE["filler"]
_NOT_NAME, _AFTER_NAME, _SPEAKS = ROLE["not_name"], ROLE["after_name"], ROLE["speaks"]
_SURNAME = re.compile(
    r".{2,}(?:[оеё]в|[иы]н|[оеё]ва|[иы]на|[оеё]в[уы]|[иы]н[уы]|[сц]кий|[сц]кая|[сц]кую|[сц]кой|енко|[ую]к|чук|ян|дзе|швили)"
)
_STATE, _GIVEN = ROLE["state"], ROLE["given"]
_STATED = re.compile(  # adjectives, participles and adverbs: "disgusted", but "Ted", "Reed", "Mildred", "Siegfried"
    r"(?:[a-z]*[aeiou][a-z]*|[a-z]+y[a-z]*)(?:(?<!e)(?<![df]r)(?<!fri)ed|ing|ful|less|ous|able|ible|ical|[st]ive|ness"
    r"|tion|(?:ous|ed|ing|al|ab|ib|ate|ete|ute|ent|ant|ive|ful|less|eme|ere|ight|ter)ly)"
)
_PINYIN = re.compile(  # "Xiaoming"
    r"(?:[zcs]h?|[bpmfdtnlgkhjqxrwy])?(?:[aeiou]|ai|ei|ao|ou|i[aeou]|iao|ian|i?[ao]ng|u[aeio]|uai|uan|uang|[aeiu]ng?)"
    r"[bpmdtnljqxy]ing"
)
_LOWER_TITLES = frozenset({"mr", "mrs", "ms", "mister"})
_PARTICLES = frozenset(
    {"van", "von", "der", "den", "de", "da", "di", "du", "la", "le", "el", "al", "bin", "ibn", "mac", "st"}
)
_FEWEST_SPELLED = 5
_SHORTEST_AGAIN = 3
_PASSWORD_IS = frozenset({"is", "was", "it's", "password's", "это", "такой", "是", "为", ":", "—"})
_IS = frozenset({"is", "was", "it's", "это", "是"})
_CALLED = frozenset({"叫", "名"})


def find_names(
    tokens: Tokens, cues: Sequence[Cue], *, answer: bool, fresh: bool = False, known: frozenset[str] = frozenset()
) -> list[Span]:
    """Return the names that are announced, titled, carry a patronymic, or answer the other side's question.

    Parameters
    ----------
    tokens : Tokens
    cues : sequence of Cue
    answer : bool
        The other side has asked for a name.
    fresh : bool
        It has done so in the utterance before.
    known : frozenset of str
        Words of names that were found in the call: see `name_words`.
    """
    spans: list[Span] = []
    named = [cue for cue in cues if cue.kind == Kind.NAME]
    for cue in named:
        if cue.strength in ("strong", "cased", "maybe"):
            found = _name_after(tokens, cue.last, strict=cue.strength == "maybe")
            if found and cue.strength == "cased" and not tokens.is_cased(found[0]):
                found = found if any(_is_surname(tokens, place) for place in range(*found)) else None
        elif cue.last < len(tokens) and tokens.words[cue.last] in _IS:  # "my mother's maiden name is ..."
            found = _name_after(tokens, cue.last, strict=False)
        else:
            continue
        if found:
            spans.append(Span(*tokens.places(*found), Kind.NAME))
            called = _called(tokens, found[1])  # "我姓欧阳叫欧阳建国"
            again = _name_after(tokens, called, strict=False) if called else None
            spans += [Span(*tokens.places(*again), Kind.NAME)] if again else []
    spans.extend(_titled(tokens))
    if tokens.seen & _AFTER_NAME or (answer and fresh) or "it's" in tokens.words[1:5]:
        spans.extend(_introduced(tokens, answer=answer and fresh))
    spans.extend(_known(tokens, known) if known else ())
    if answer and not spans:
        found = _answer(tokens) or (_first_words(tokens) if fresh else None)
        if found:
            spans.append(Span(*tokens.places(*found), Kind.NAME))
    return spans


def _called(tokens: Tokens, index: int) -> int:
    """Return the token behind "叫" or "名", with or without a comma before it, 0 where there is none."""
    first = index + (tokens.words[index : index + 1] in (["，"], [","]))
    last = first
    while last < len(tokens) and tokens.words[last] in _CALLED:
        last += 1
    return last if last > first else 0


def name_words(text: str, spans: Sequence[Span]) -> frozenset[str]:
    """Return the words of the names in a text by which they are known again, spelled ones put together.

    Words in lower case are none of them, unless the text has no capitals. A Chinese surname and the given name are put
    together, too: "我姓王，名小明".
    """
    found: set[str] = set()
    han, cased = "", text != text.lower()
    for span in spans:
        if span.kind == Kind.NAME:
            said = re.findall(r"[^\W\d_]+", text[span.start : span.end])
            spelled = len(said) >= _FEWEST_SPELLED and all(len(word) == 1 for word in said)
            words = {word for word in said if len(word) >= _SHORTEST_AGAIN and not (cased and word.islower())}
            found |= {"".join(said)} if spelled else words
            han += "".join(re.findall(f"[{HAN}]", text[span.start : span.end]))
    return frozenset(found | {han} if len(han) >= _SHORTEST_AGAIN else found)


def _known(tokens: Tokens, known: frozenset[str]) -> Iterator[Span]:
    """Yield the words of names that the call has heard, in the same case, and what spells them."""
    for index in range(len(tokens)):
        if tokens.roles[index] & ROLE["surname"]:
            start = tokens.starts[index]
            yield from (
                Span(start, start + len(name), Kind.NAME) for name in known if tokens.text.startswith(name, start)
            )
        if tokens.sorts[index] != "w":
            continue
        word = tokens.text[tokens.starts[index] : tokens.ends[index]]
        if word in known and not tokens.roles[index] & (_NOT_NAME | _LINK) and (word[0].isupper() or len(word) > 4):
            last = index + 1
            while last - index < 3 and (_is_name_word(tokens, last) or _is_particle(tokens, last)):
                last += 1
            yield Span(*tokens.places(index, last), Kind.NAME)
    words = [index for index in range(len(tokens)) if tokens.sorts[index] != "p"]
    if len(words) >= _SHORTEST_AGAIN and all(_is_letter(tokens, index) for index in words):
        spelled = "".join(tokens.words[index] for index in words)
        if any(word.lower() == spelled for word in known):
            yield Span(*tokens.places(words[0], words[-1] + 1), Kind.NAME)


def _is_letter(tokens: Tokens, index: int) -> bool:
    return tokens.sorts[index] == "w" and tokens.ends[index] - tokens.starts[index] == 1


def _introduced(tokens: Tokens, *, answer: bool) -> Iterator[Span]:
    """Yield names behind "it's": before "here" or "calling", or as the answer to the question for one."""
    for index, word in enumerate(tokens.words):
        if word not in ("it's", "это"):
            continue
        first = last = index + 1
        while last - first < 5 and (_is_name_word(tokens, last) or (last > first and _is_particle(tokens, last))):
            last += 1
        here = tokens.words[last : last + 1] == ["here"] and last + 1 < len(tokens) and tokens.sorts[last + 1] != "p"
        named = first < last < len(tokens) and bool(tokens.roles[last] & _AFTER_NAME) and not here
        if named or (last - first >= 2 and (answer or _is_greeting(tokens, index, last))):
            yield Span(*tokens.places(first, last), Kind.NAME)
        elif answer and word == "it's" and first == last:
            while last < len(tokens) and tokens.sorts[last] == "w" and not tokens.roles[last] & (_NOT_NAME | _LINK):
                last += 1
            if 2 <= last - first <= 3:
                yield Span(*tokens.places(first, last), Kind.NAME)


def _is_greeting(tokens: Tokens, index: int, last: int) -> bool:
    """Return whether "it's" comes after a greeting, and ordinary words after the name: "hi, it's ..., my"."""
    return (
        0 < index <= 4
        and all(tokens.roles[place] & (_NOT_NAME | _LINK) or tokens.sorts[place] == "p" for place in range(index))
        and last < len(tokens)
        and bool(tokens.roles[last] & _NOT_NAME or tokens.sorts[last] == "p")
    )


def _is_particle(tokens: Tokens, index: int) -> bool:
    return index + 1 < len(tokens) and tokens.words[index] in _PARTICLES and tokens.sorts[index + 1] == "w"


def _first_words(tokens: Tokens) -> tuple[int, int] | None:
    """Return the name that an answer begins with before it goes on to something else."""
    first = 0
    while first < len(tokens) and (tokens.sorts[first] == "p" or tokens.roles[first] & (_LINK | _FILLER)):
        first += 1
    if first < len(tokens) and tokens.sorts[first] == "w" and not tokens.is_cased(first):
        if not tokens.roles[first] & _NOT_NAME and _SURNAME.fullmatch(tokens.words[first]):
            return first, first + 1
        return None
    last = first
    while last < len(tokens) and (_is_name_word(tokens, last) or (last > first and _is_particle(tokens, last))):
        last += 1
    while last > first and tokens.words[last : last + 1] == ["-"] and tokens.touches(last) and last + 1 < len(tokens):
        last += 2  # "Ко-ро-лёв"
    ends = last < len(tokens) and tokens.sorts[last] == "p"
    return (first, last) if ends and 1 <= last - first <= 5 and (last - first > 1 or first == 0) else None


def _is_cased(tokens: Tokens, index: int) -> bool:
    return index < len(tokens) and tokens.sorts[index] == "w" and tokens.text[tokens.starts[index]].isupper()


def _is_name_word(tokens: Tokens, index: int) -> bool:
    return 0 <= index < len(tokens) and tokens.is_cased(index) and not tokens.roles[index] & (_NOT_NAME | _LINK)


def _name_after(tokens: Tokens, index: int, *, strict: bool) -> tuple[int, int] | None:
    first = index
    while first < len(tokens) and (
        tokens.words[first] in (":", ",", "，", "：", "-", "—")
        or tokens.roles[first] & (ROLE["title"] | _FILLER)
        or tokens.words[first] in _IS
        or (tokens.words[first] == "." and first > index and tokens.roles[first - 1] & ROLE["title"])
    ):
        first += 1
    if first >= len(tokens):
        return None
    if tokens.sorts[first] == "h":
        return _han_name(tokens, first, strict=strict)
    if tokens.sorts[first] != "w" or tokens.roles[first] & _NOT_NAME:
        return None
    cased = tokens.is_cased(first)
    last = first
    most = 4 if cased else 3 if not tokens.words[first].isascii() else 2
    while last < len(tokens) and last - first < 24 and most:
        joint = tokens.words[last] in ("-", ".", "'") and tokens.touches(last) and last > first
        if joint and (tokens.words[last] != "." or tokens.ends[last - 1] - tokens.starts[last - 1] == 1):
            last += 1
            continue
        if tokens.sorts[last] != "w" or tokens.roles[last] & _NOT_NAME or tokens.is_cased(last) != cased:
            break
        most -= tokens.ends[last] - tokens.starts[last] > 1
        last += 1
    while last > first and tokens.sorts[last - 1] == "p":
        last -= 1
    if last == first:
        return None
    if strict:
        if _is_stated(tokens, index, first, last):
            return None
        words = sum(tokens.sorts[place] == "w" for place in range(first, last))
        following = tokens.roles[last] if last < len(tokens) else 0
        ends = last >= len(tokens) or tokens.words[last] in SENTENCE_END
        called = tokens.words[index - 1] in ("name's", "name", "is", "имя", "фамилия", "отчество")
        sure = (
            words >= 2
            or following & _AFTER_NAME
            or called
            or (ends and tokens.words[index - 1] in ("i'm", "am", "name"))
        )
        surname = tokens.words[index - 1] == "фамилия" and _SURNAME.fullmatch(tokens.words[first])
        if surname and not cased:
            return first, first + 1
        if not (following & _SPEAKS or (cased and sure)):
            return None
    return first, last


def _is_stated(tokens: Tokens, index: int, first: int, last: int) -> bool:
    """Return whether the words behind "I am" or "this is" say how somebody or something is: "Furious", "Fed Up".

    Words that only look it are names where another word is none of them, unless the line has no small letters.
    """
    if tokens.words[index - 1] not in ("i'm", "am", "я", "это") and tokens.words[index - 2 : index] != ["this", "is"]:
        return False
    if tokens.roles[first] & _STATE:
        return True
    words = [place for place in range(first, last) if tokens.sorts[place] == "w"]
    if not tokens.text.isupper():
        return all(_is_state(tokens, place) for place in words)
    if tokens.words[first].isascii():
        return _is_state(tokens, first)
    named = last < len(tokens) and tokens.roles[last] & (_AFTER_NAME | _SPEAKS)
    return not (named or any(_SURNAME.fullmatch(tokens.words[place]) for place in words))


def _is_state(tokens: Tokens, index: int) -> bool:
    word, role = tokens.words[index], tokens.roles[index]
    looks = _STATED.fullmatch(word) and not role & _GIVEN and not _PINYIN.fullmatch(word)
    return bool(role & _STATE or looks)


def _han_name(tokens: Tokens, first: int, *, strict: bool) -> tuple[int, int] | None:
    last = first
    while (
        last < len(tokens)
        and last - first < 4
        and tokens.sorts[last] == "h"
        and not tokens.roles[last] & (_NOT_NAME | ROLE["title"])
    ):
        last += 1
    if last == first:
        return None
    ends = last >= len(tokens) or tokens.sorts[last] != "h" or bool(tokens.roles[last] & ROLE["title"])
    surname = bool(tokens.roles[first] & ROLE["surname"])
    if strict and not (surname and ends and 2 <= last - first <= 3):
        return None
    if not surname and not (ends and last - first <= 3):
        return None
    return first, min(last, first + 3) if not ends else last


def _titled(tokens: Tokens) -> Iterator[Span]:
    """Yield names by their title, patronymic or "speaking": "Mr. Reed", "Ольга Викторовна", "王先生"."""
    if not tokens.seen & (ROLE["title"] | ROLE["patronymic"] | _SPEAKS):
        return
    for index, role in enumerate(tokens.roles):
        if role & _SPEAKS and _is_name_word(tokens, index - 1):
            first = index - 1
            while index - first < 3 and _is_name_word(tokens, first - 1):
                first -= 1
            ends = index + 1 >= len(tokens) or tokens.words[index + 1] in SENTENCE_END
            if index - first > 1 or (ends and tokens.words[index] == "speaking"):
                yield Span(*tokens.places(first, index), Kind.NAME)
        if role & ROLE["title"]:
            if tokens.sorts[index] == "h":
                for back in (1, 2, 3):
                    if (
                        index >= back
                        and tokens.roles[index - back] & ROLE["surname"]
                        and tokens.sorts[index - 1] == "h"
                    ):
                        yield Span(*tokens.places(index - back, index), Kind.NAME)
                        break
            else:
                first = index + 1
                if first < len(tokens) and tokens.words[first] == ".":
                    first += 1
                last = first
                while last - first < 3 and tokens.is_cased(last) and not tokens.roles[last] & _NOT_NAME:
                    last += 1
                if last == first and tokens.words[index] in _LOWER_TITLES and _is_lower_name(tokens, first):
                    last += 1
                if last > first:
                    yield Span(*tokens.places(first, last), Kind.NAME)
        elif role & ROLE["patronymic"] and index and tokens.sorts[index - 1] == "w":
            before = index - 1
            if tokens.roles[before] & (_NOT_NAME | _LINK) or len(tokens.words[before]) < 3:
                continue
            if tokens.is_cased(before) != tokens.is_cased(index):
                continue
            cased = tokens.is_cased(index)
            first, last = before, index + 1
            is_part = _is_name_word if cased else _is_surname
            if cased and tokens.is_cased(last) and not tokens.roles[last] & _NOT_NAME:
                last += 1
            elif first and is_part(tokens, first - 1):
                first -= 1
            elif not cased and is_part(tokens, last):
                last += 1
            yield Span(*tokens.places(first, last), Kind.NAME)


def _is_surname(tokens: Tokens, index: int) -> bool:
    return (
        index < len(tokens)
        and tokens.sorts[index] == "w"
        and not tokens.roles[index] & (_NOT_NAME | _LINK)
        and bool(_SURNAME.fullmatch(tokens.words[index]))
    )


def _is_lower_name(tokens: Tokens, index: int) -> bool:
    return (
        index < len(tokens)
        and tokens.sorts[index] == "w"
        and not tokens.roles[index] & (_NOT_NAME | _LINK)
        and tokens.ends[index] - tokens.starts[index] >= _SHORTEST_AGAIN
    )


def _answer(tokens: Tokens) -> tuple[int, int] | None:
    """Return the words of a short answer that can only be a name."""
    said = [index for index in range(len(tokens)) if tokens.sorts[index] != "p"]
    if len(said) >= _SHORTEST_AGAIN and all(_is_letter(tokens, index) for index in said):
        return said[0], said[-1] + 1
    first = 0
    while first < len(tokens) and (tokens.sorts[first] == "p" or tokens.roles[first] & (_LINK | _FILLER)):
        first += 1
    if first < len(tokens) and tokens.sorts[first] == "h":
        return _han_name(tokens, first, strict=True)
    last = first
    while (
        last < len(tokens)
        and (tokens.sorts[last] == "w" or tokens.words[last] in ("-", ","))
        and (not tokens.roles[last] & (_NOT_NAME | _LINK) or (last > first and _is_letter(tokens, last)))
    ):
        last += 1
    while last > first and tokens.sorts[last - 1] == "p":
        last -= 1
    words = [place for place in range(first, last) if tokens.sorts[place] == "w"]
    rest = [place for place in range(last, len(tokens)) if tokens.sorts[place] in "wdh"]
    spelled = all(tokens.ends[place] - tokens.starts[place] == 1 for place in words)
    if not words or rest or (len(words) > 4 and not spelled):
        return None
    return first, last


def find_passwords(tokens: Tokens, numbers: frozenset[int], cues: Sequence[Cue], *, answer: bool) -> list[Span]:
    """Return the words that are said to be a password: up to four, to the end of the clause, or a short answer.

    Parameters
    ----------
    tokens : Tokens
    numbers : frozenset of int
        Tokens that are part of a number.
    cues : sequence of Cue
    answer : bool
        The other side has just asked for a password.
    """
    spans = []
    answered = _answer(tokens) if answer else None
    if answered and not any(tokens.roles[index] & ROLE["not_password"] for index in range(*answered)):
        spans.append(Span(*tokens.places(*answered), Kind.CODE))
    for cue in cues:
        if cue.kind != "password":
            continue
        first = tokens.skip(cue.last, _FILLER)
        while first < len(tokens) and tokens.words[first] in _IS:
            first = tokens.skip(first + 1, _FILLER)
        said = tokens.words[cue.last - 1] in _PASSWORD_IS or any(
            tokens.words[index] in _PASSWORD_IS for index in range(cue.last, first)
        )
        last = tokens.clause_end(first)
        last = next((index for index in range(first, last) if tokens.words[index] in ",，"), last)
        if not said:  # "пароль ромашка семь", "password for my account sunny42"
            numbered = [index for index in range(first, last) if index in numbers or tokens.sorts[index] == "d"]
            mixed = next(
                (index - 1 for index in numbered if tokens.touches(index) and tokens.sorts[index - 1] == "w"), None
            )
            if mixed is not None:
                first = mixed
            elif not numbered or last - first > 3:
                continue
        if first >= last or tokens.roles[first] & ROLE["not_password"]:
            continue
        words = sum(not tokens.touches(index) for index in range(first, last) if tokens.sorts[index] in "wdh")
        if last > first and words <= 4 and any(tokens.sorts[index] in "wdh" for index in range(first, last)):
            spans.append(Span(*tokens.places(first, last), Kind.CODE))
    return spans
