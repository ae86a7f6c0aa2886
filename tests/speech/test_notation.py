import pytest

from voicepipe.speech.matching import Finder, Rule
from voicepipe.speech.notation import Compiler, vocabulary_of
from voicepipe.speech.tokens import Tokenizer

TOKENIZER = Tokenizer()


def compiled(*rules: list[str]) -> list[Rule]:
    vocabulary = vocabulary_of([phrase for phrases in rules for phrase in phrases])
    TOKENIZER.learn(vocabulary)
    compiler = Compiler({}, TOKENIZER, vocabulary)
    return [compiler.rule(str(number), phrases, "test", settings={}) for number, phrases in enumerate(rules)]


def test_texts_without_its_words_need_no_phrase() -> None:
    rule = compiled(["give {3} (person|agent)", "оператор*"])[0]
    sentence, word = rule.phrases
    assert all(
        needed.isdisjoint(TOKENIZER("my bill is wrong").coded.present)
        for phrase in rule.phrases
        for needed in phrase.needs
    )
    given = TOKENIZER("give me my bill").coded.present
    assert sorted(needed.isdisjoint(given) for needed in sentence.needs) == [False, True]
    assert not word.needs[0].isdisjoint(TOKENIZER("операторов").coded.present)


@pytest.mark.parametrize(
    ("phrases", "heard", "quote"),
    [
        (["give me", "give me help"], "give me help", "give me"),
        (["give me help", "give me"], "give me help", "give me help"),
        (["give", "give me"], "give me help", "give me"),  # single words come last
        (["[please] give", "please"], "please give", "please give"),
    ],
)
def test_of_two_phrases_from_one_token_on_the_first_counts(phrases: list[str], heard: str, quote: str) -> None:
    finder = Finder({"rule": compiled(phrases)})
    text = TOKENIZER(heard)
    ((_, ((first, last), *_)),) = finder.find("rule", text.coded)
    assert " ".join(text.tokens[first:last]) == quote


def test_finder_finds_what_each_rule_finds() -> None:
    rules = compiled(["(give|get) me", "agent"], ["never said"], ["me {1} agent", "!(x) {1-1} an"], ["an"])
    text = TOKENIZER("get me an agent, give me an agent")
    found = dict(Finder({"rule": rules}).find("rule", text.coded))
    assert list(found) == [0, 2, 3]
    alone = [Finder({"rule": [rule]}).find("rule", text.coded) for rule in rules]
    assert found == {number: spans for number, hits in enumerate(alone) for _, spans in hits}
    assert found[0] == sorted(found[0])


def test_sections_are_found_apart() -> None:
    asked, vetoed = compiled(["give {2} agent", "agent"]), compiled(["not {2} agent"], ["agent"])
    finder = Finder({"request": asked, "veto": vetoed, "none": ()})
    for heard in ("do not give me an agent", "agent", "give me my bill"):
        text = TOKENIZER(heard).coded
        for section, rules in (("request", asked), ("veto", vetoed), ("none", [])):
            found = list(finder.find(section, text))
            assert found == list(Finder({"rule": rules}).find("rule", text))
            assert found == list(finder.find(section, text))
