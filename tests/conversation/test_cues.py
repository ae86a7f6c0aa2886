import re
from pathlib import Path

import pytest

from tests.conversation.dialogues import utterance
from voicepipe.conversation.cues import KINDS, find_cues, load_books
from voicepipe.types import Channel, ConfigError

A, C, M = Channel.AGENT, Channel.CALLER, Channel.MIXED


def _kinds(channel: Channel, text: str, language: str) -> set[str]:
    return {cue.kind for cue in find_cues([utterance(channel, 0, 0.0, 3.0, text, language=language)]).found}


FOUND = [
    (A, "en", "empathy", "i understand how frustrating this is for you"),
    (A, "en", "apology", "I'm really sorry about that."),
    (A, "en", "apology", "we sincerely apologise for the delay"),
    (A, "en", "restating", "So just to confirm, you ordered two lamps."),
    (A, "en", "ownership", "I'll take care of it myself"),
    (A, "en", "hold", "bear with me for a second"),
    (A, "en", "dismissive", "sir that's not my problem"),
    (C, "en", "repeated", "as I said before the screen is black"),
    (C, "en", "repeated", "i already told the other guy"),
    (C, "en", "contact_again", "this is the third time I'm calling"),
    (C, "en", "transferred", "I keep getting transferred from one to another"),
    (C, "en", "resolved", "oh it works now"),
    (C, "en", "thanks", "thanks a lot"),
    (A, "ru", "empathy", "понимаю насколько это неприятно"),
    (A, "ru", "apology", "Приношу свои извинения за задержку."),
    (A, "ru", "apology", "извините пожалуйста за ожидание"),
    (A, "ru", "restating", "Правильно ли я понял, что заказ не приехал?"),
    (A, "ru", "ownership", "я лично прослежу за этим"),
    (A, "ru", "hold", "минуточку сейчас посмотрю"),
    (A, "ru", "dismissive", "это не наши проблемы"),
    (C, "ru", "repeated", "я уже три раза говорила"),
    (C, "ru", "contact_again", "звоню вам третий раз"),
    (C, "ru", "transferred", "меня уже второй раз переключают"),
    (C, "ru", "resolved", "о теперь все работает"),
    (A, "zh", "empathy", "我非常理解您的心情"),
    (A, "zh", "apology", "非常抱歉,耽误您的时间了"),
    (A, "zh", "restating", "您的意思是说快递还没到对吗"),
    (A, "zh", "ownership", "我马上帮您处理"),
    (A, "zh", "hold", "请您稍等一下"),
    (A, "zh", "dismissive", "这个不归我们管"),
    (C, "zh", "repeated", "我刚才已经说过了"),
    (C, "zh", "contact_again", "我这是第三次打电话了"),
    (C, "zh", "transferred", "你们把我转来转去的"),
    (C, "zh", "resolved", "可以用了谢谢你"),
    (C, "en", "ask", "look just send me a new box"),
    (C, "en", "ask", "could somebody then fix the gate"),
    (C, "en", "ask", "I want those fees refunded"),
    (C, "ru", "ask", "замените мне этот счётчик"),
    (C, "ru", "ask", "мне главное получить справку"),
    (C, "ru", "ask", "я хочу чтобы мне вернули разницу"),
    (C, "zh", "ask", "你们把押金退给我"),
    (C, "zh", "ask", "派个工程师过来修一下"),
    (C, "zh", "ask", "今天能来人看看吗"),
    (C, "en", "tried", "my daughter rang the clinic"),
    (C, "en", "tried", "they made me fill in a form online"),
    (C, "ru", "tried", "жена стучала соседям сверху"),
    (C, "zh", "tried", "我昨天换了一根线"),
    (C, "zh", "tried", "給門市打了電話"),
    (A, "en", "promise", "my colleague calls you back before noon"),
    (A, "ru", "promise", "слесарь подъедет к обеду"),
    (A, "ru", "promise", "разницу спишем"),
    (A, "zh", "promise", "给您减免两天的费用"),
    (A, "zh", "promise", "运费由我们承担"),
]
NOT_FOUND = [
    (C, "en", "ask", "did you get my letter"),
    (C, "en", "ask", "I want a supervisor"),
    (C, "ru", "ask", "не отключите мне там ничего"),
    (C, "ru", "ask", "хотел узнать график"),
    (C, "zh", "ask", "解约申请我七月份就寄过去了"),
    (C, "zh", "ask", "客服让我把卡退了"),
    (C, "zh", "tried", "你们公司把我的号换了"),
    (A, "ru", "promise", "Ваш заказ передан в доставку."),
    (A, "zh", "promise", "今天师傅都排满了"),
    (A, "en", "apology", "I'm not sorry."),
    (A, "en", "apology", "sorry what"),
    (A, "en", "apology", "Sorry, could you say that again?"),
    (A, "en", "apology", "there is nothing to be sorry for"),
    (A, "en", "empathy", "i do not understand how this is frustrating"),
    (A, "en", "acknowledgement", "You have to understand, I don't understand you."),
    (A, "en", "ownership", "I can't help you"),
    (A, "en", "ownership", "we will not refund that"),
    (A, "en", "ownership", "How can I help you?"),
    (C, "en", "resolved", "it is not fixed"),
    (C, "en", "resolved", "it stopped working"),
    (C, "en", "thanks", "no thanks"),
    (C, "en", "thanks", "thanks for nothing"),
    (C, "en", "empathy", "I understand how frustrating this is for you"),
    (A, "en", "repeated", "as I said before"),
    (A, "ru", "apology", "Извините, что вы сказали?"),
    (A, "ru", "empathy", "не понимаю что тут неприятного"),
    (A, "ru", "ownership", "я не могу вам помочь"),
    (A, "ru", "ownership", "мы не вернем деньги"),
    (A, "ru", "acknowledgement", "я вас не понимаю"),
    (C, "ru", "resolved", "ничего не работает"),
    (C, "ru", "resolved", "это не помогло"),
    (A, "zh", "apology", "不好意思,您说什么"),
    (A, "zh", "apology", "我不用道歉"),
    (A, "zh", "empathy", "我不太理解您为什么生气"),
    (A, "zh", "ownership", "我们没办法帮您处理"),
    (A, "zh", "ownership", "不能给您退款"),
    (C, "zh", "resolved", "还是没解决"),
    (C, "zh", "resolved", "什么时候能解决"),
    (C, "zh", "thanks", "不用了谢谢"),
]
# Written when the cues above were all found; added to them afterwards.
SECOND_FOUND = [
    (A, "en", "empathy", "I can only imagine how stressful that has been"),
    (A, "en", "empathy", "oh no that sounds awful"),
    (A, "en", "empathy", "I completely get why you'd be upset"),
    (A, "en", "apology", "we do apologize about the mix up"),
    (A, "en", "apology", "I'm awfully sorry, Mr. Jones"),
    (A, "en", "apology", "please accept our apologies"),
    (A, "en", "acknowledgement", "Gotcha, thanks for clarifying that."),
    (A, "en", "acknowledgement", "right I hear what you're saying"),
    (A, "en", "restating", "okay so if I got that right you were billed twice"),
    (A, "en", "restating", "Let me repeat that back to you."),
    (A, "en", "ownership", "I'll sort this out for you right now"),
    (A, "en", "ownership", "I've gone ahead and cancelled that"),
    (A, "en", "ownership", "let me take care of that for you"),
    (A, "en", "next_step", "you'll get an email within the hour"),
    (A, "en", "next_step", "A technician will call you tomorrow morning."),
    (A, "en", "closing", "anything else I can do for you today"),
    (A, "en", "closing", "Have a great rest of your day!"),
    (A, "en", "greeting", "Hi there, thanks for calling Acme."),
    (A, "en", "hold", "would you mind holding for a minute"),
    (A, "en", "hold", "I'm just going to put you on a brief hold"),
    (A, "en", "dismissive", "well there's nothing I can do about that"),
    (A, "en", "dismissive", "you need to calm down ma'am"),
    (A, "en", "rushing", "sir I don't have all day"),
    (C, "en", "repeated", "I've explained this to three people already"),
    (C, "en", "repeated", "do I have to tell the whole story again"),
    (C, "en", "contact_again", "I've called you guys four times this week"),
    (C, "en", "contact_again", "I've been on hold for forty minutes"),
    (C, "en", "resolved", "that fixed it"),
    (C, "en", "resolved", "brilliant that's sorted then"),
    (C, "en", "unresolved", "this is a complete waste of my time"),
    (C, "en", "unresolved", "so you can't help me then it still doesn't work"),
    (C, "en", "transferred", "they passed me around between departments"),
    (A, "ru", "empathy", "Представляю, как вы переживаете."),
    (A, "ru", "empathy", "да ситуация действительно неприятная"),
    (A, "ru", "empathy", "не переживайте мы разберемся"),
    (A, "ru", "apology", "прошу прощения за неудобства"),
    (A, "ru", "apology", "Нам очень жаль, что так вышло, извините нас за это."),
    (A, "ru", "acknowledgement", "да я вас поняла"),
    (A, "ru", "acknowledgement", "Хорошо, записала."),
    (A, "ru", "restating", "То есть у вас списали деньги дважды, верно?"),
    (A, "ru", "restating", "давайте уточню заказ вы делали во вторник"),
    (A, "ru", "ownership", "сейчас все исправлю"),
    (A, "ru", "ownership", "Я создал заявку на ремонт."),
    (A, "ru", "ownership", "я возьму это под свой контроль"),
    (A, "ru", "next_step", "вам перезвонят в течение часа"),
    (A, "ru", "next_step", "деньги вернутся на карту через три дня"),
    (A, "ru", "closing", "Могу ли я ещё чем-то помочь?"),
    (A, "ru", "closing", "хорошего вам дня до свидания"),
    (A, "ru", "greeting", "Доброе утро, компания Вектор, слушаю вас."),
    (A, "ru", "hold", "оставайтесь на линии пожалуйста"),
    (A, "ru", "hold", "дайте мне минутку я посмотрю"),
    (A, "ru", "dismissive", "успокойтесь пожалуйста"),
    (A, "ru", "dismissive", "Я вам уже объяснила."),
    (A, "ru", "rushing", "у меня нет на это времени"),
    (C, "ru", "repeated", "я вам это уже объяснял"),
    (C, "ru", "repeated", "сколько раз можно повторять"),
    (C, "ru", "contact_again", "я к вам пятый раз обращаюсь"),
    (C, "ru", "contact_again", "сорок минут висел на линии"),
    (C, "ru", "resolved", "ой все получилось спасибо"),
    (C, "ru", "resolved", "Да, теперь открылось."),
    (C, "ru", "unresolved", "толку от вас никакого"),
    (C, "ru", "unresolved", "проблема так и не решена"),
    (C, "ru", "transferred", "меня третий раз переводят с отдела на отдел"),
    (A, "zh", "empathy", "我能体会您现在的心情"),
    (A, "zh", "empathy", "换成是我也会很着急的"),
    (A, "zh", "empathy", "您先别着急"),
    (A, "zh", "apology", "给您添麻烦了,真的不好意思"),
    (A, "zh", "apology", "我代表公司向您道歉"),
    (A, "zh", "acknowledgement", "好的我了解了"),
    (A, "zh", "acknowledgement", "嗯,您说得对"),
    (A, "zh", "restating", "跟您确认一下,您是上周二下的单对吧"),
    (A, "zh", "restating", "您刚才说的是充值没有到账"),
    (A, "zh", "ownership", "我来帮您解决这个问题"),
    (A, "zh", "ownership", "已经给您登记好了"),
    (A, "zh", "ownership", "这是我们的失误"),
    (A, "zh", "next_step", "三天之内会有专人跟您联系"),
    (A, "zh", "next_step", "明天下午给您打电话"),
    (A, "zh", "closing", "您看还有别的问题吗"),
    (A, "zh", "closing", "祝您周末愉快"),
    (A, "zh", "greeting", "下午好,欢迎致电某某银行"),
    (A, "zh", "hold", "麻烦您不要挂机稍等一下"),
    (A, "zh", "hold", "我帮您看一下"),
    (A, "zh", "dismissive", "那我也没办法"),
    (A, "zh", "dismissive", "我刚才不是跟您说了吗"),
    (A, "zh", "rushing", "你长话短说"),
    (C, "zh", "repeated", "我都说了好几遍了"),
    (C, "zh", "repeated", "每次都要重新说一遍"),
    (C, "zh", "contact_again", "我这星期都打了四次电话了"),
    (C, "zh", "contact_again", "我等了四十分钟了"),
    (C, "zh", "resolved", "哦现在好了"),
    (C, "zh", "resolved", "嗯解决了谢谢"),
    (C, "zh", "unresolved", "你们这是推卸责任"),
    (C, "zh", "unresolved", "到现在还没给我处理"),
    (C, "zh", "transferred", "你们互相踢皮球"),
]
SECOND_NOT_FOUND = [
    (A, "en", "apology", "sorry I didn't catch your name"),
    (A, "en", "apology", "I won't apologize for that"),
    (A, "en", "apology", "why should I be sorry"),
    (A, "en", "empathy", "I don't see why you're upset"),
    (A, "en", "empathy", "is it difficult to log in"),
    (A, "en", "acknowledgement", "I can't see what you mean"),
    (A, "en", "ownership", "nobody here can fix that"),
    (A, "en", "ownership", "do you want me to cancel it"),
    (A, "en", "ownership", "unfortunately I'm not able to refund this"),
    (A, "en", "next_step", "I don't know when you'll get it"),
    (A, "en", "closing", "we have nothing else in stock"),
    (A, "en", "hold", "are you holding the device"),
    (A, "en", "dismissive", "please don't worry, it's not your fault"),
    (C, "en", "resolved", "I hoped it would be fixed by now"),
    (C, "en", "resolved", "is it working on your side"),
    (C, "en", "resolved", "nothing is fixed"),
    (C, "en", "repeated", "how do I repeat the order"),
    (C, "en", "contact_again", "what time do you close"),
    (C, "en", "unresolved", "yes that works"),
    (C, "en", "thanks", "I don't need your thanks"),
    (C, "en", "transferred", "can you transfer the money"),
    (A, "en", "restating", "you can send it by mail"),
    (A, "en", "greeting", "goodbye then"),
    (A, "ru", "apology", "извините я вас не слышу"),
    (A, "ru", "apology", "я не обязан извиняться"),
    (A, "ru", "empathy", "не понимаю почему вы расстроены"),
    (A, "ru", "acknowledgement", "не совсем вас понял"),
    (A, "ru", "ownership", "я ничего не могу исправить"),
    (A, "ru", "ownership", "кто вам это сделает"),
    (A, "ru", "ownership", "к сожалению мы не возвращаем деньги"),
    (A, "ru", "next_step", "я не знаю когда вам перезвонят"),
    (A, "ru", "hold", "прием длится пять минут"),
    (A, "ru", "dismissive", "не волнуйтесь, это не ваша вина"),
    (C, "ru", "resolved", "так и не заработало"),
    (C, "ru", "resolved", "когда заработает"),
    (C, "ru", "resolved", "ничего не получилось"),
    (C, "ru", "repeated", "повторите пожалуйста номер"),
    (C, "ru", "contact_again", "во сколько вы закрываетесь"),
    (C, "ru", "unresolved", "да все работает спасибо"),
    (C, "ru", "thanks", "спасибо не надо"),
    (C, "ru", "transferred", "переведите деньги на карту"),
    (A, "ru", "restating", "вы можете отправить почтой"),
    (A, "ru", "greeting", "до свидания"),
    (A, "zh", "apology", "不好意思我没听清楚"),
    (A, "zh", "apology", "我为什么要道歉"),
    (A, "zh", "empathy", "我不明白您为什么着急"),
    (A, "zh", "acknowledgement", "我不太清楚您说的"),
    (A, "zh", "ownership", "这个我处理不了"),
    (A, "zh", "ownership", "我们不能给您退"),
    (A, "zh", "ownership", "您要我帮您取消吗"),
    (A, "zh", "next_step", "我不知道什么时候能处理好"),
    (A, "zh", "hold", "您可以等一下再打来吗"),
    (A, "zh", "dismissive", "这不是您的错"),
    (C, "zh", "resolved", "根本没有解决"),
    (C, "zh", "resolved", "什么时候才能恢复"),
    (C, "zh", "resolved", "一点都不好"),
    (C, "zh", "repeated", "请再说一遍地址"),
    (C, "zh", "contact_again", "你们几点下班"),
    (C, "zh", "unresolved", "可以了没问题"),
    (C, "zh", "thanks", "不用谢"),
    (C, "zh", "transferred", "我要转账给朋友"),
    (A, "zh", "restating", "您可以邮寄给我们"),
    (A, "zh", "greeting", "再见"),
]


@pytest.mark.parametrize(("channel", "language", "kind", "text"), FOUND + SECOND_FOUND)
def test_found(channel: Channel, language: str, kind: str, text: str) -> None:
    assert kind in _kinds(channel, text, language)


@pytest.mark.parametrize(("channel", "language", "kind", "text"), NOT_FOUND + SECOND_NOT_FOUND)
def test_negation_context_and_the_other_side_are_not_found(
    channel: Channel, language: str, kind: str, text: str
) -> None:
    assert kind not in _kinds(channel, text, language)


@pytest.mark.parametrize("language", ["en", "ru", "zh"])
def test_every_kind_has_phrases_in_every_language(language: str) -> None:
    rules = load_books()[language].rules
    assert {kind for kind in KINDS if not rules[kind]} == set()
    assert {kind for rule in rules["except"] for kind in rule.settings["of"]} <= set(KINDS)


def test_a_cue_quotes_the_transcript() -> None:
    spoken = utterance(A, 3, 7.0, 9.0, "Well, I'm SO sorry about that.")
    (cue,) = find_cues([spoken]).of("apology")
    assert cue.words == "I'm SO sorry"
    assert spoken.transcript is not None
    assert spoken.transcript.text[cue.start : cue.end] == cue.words
    assert (cue.quote.channel, cue.quote.index, cue.quote.start_s) == (A, 3, 7.0)


def test_on_a_mixed_track_the_words_of_both_sides_count() -> None:
    assert {"apology", "repeated"} <= _kinds(M, "I'm so sorry. As I said, it is broken.", "en")


def test_a_centre_adds_and_switches_off_phrases(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text(
        '[[empathy]]\nname = "house_style"\nphrases = ["we are with you"]\n'
        '[[apology]]\nname = "apology"\nphrases = []\n',
        encoding="utf-8",
    )
    books = load_books(tmp_path)
    heard = [utterance(A, 0, 0.0, 3.0, "I'm so sorry. We are with you.")]
    assert [(cue.kind, cue.rule) for cue in find_cues(heard, books=books).of("empathy", "apology")] == [
        ("empathy", "house_style")
    ]
    assert find_cues(heard).of("apology")


def test_what_was_said_in_a_language_without_phrases_was_not_read() -> None:
    english = utterance(A, 0, 0.0, 3.0, "I'm so sorry about that.")
    spanish = utterance(A, 1, 4.0, 7.0, "Lo siento mucho, de verdad.", language="es")
    silent = utterance(A, 2, 8.0, 9.0)
    cues = find_cues([english, spanish, silent])
    assert cues.read == {(A, 0)}
    assert cues.cover([english])
    assert cues.cover([english, spanish])
    assert not cues.cover([spanish])
    assert not cues.cover([silent])
    assert find_cues([spanish], language="en").cover([spanish])


def test_a_centre_adds_a_language(tmp_path: Path) -> None:
    (tmp_path / "de.toml").write_text(
        'language = "de"\nscript = "latin"\n[[thanks]]\nname = "danke"\nphrases = ["danke"]\n', encoding="utf-8"
    )
    heard = [utterance(C, 0, 0.0, 3.0, "Danke schön.", language="de")]
    assert [cue.words for cue in find_cues(heard, books=load_books(tmp_path)).of("thanks")] == ["Danke"]
    assert find_cues(heard).found == ()


def test_a_folder_that_is_not_there_and_a_section_that_nobody_knows_are_named(tmp_path: Path) -> None:
    own = tmp_path / "en.toml"
    own.write_text('[[emptahy]]\nname = "x"\nphrases = ["y"]\n', encoding="utf-8")
    for wrong in (tmp_path / "nowhere", own):
        with pytest.raises(ConfigError, match=rf"^conversation_phrases: {re.escape(str(wrong))} is no folder; name "):
            load_books(wrong)
    with pytest.raises(ConfigError, match=rf"^conversation_phrases: {re.escape(str(own))}: unknown key emptahy"):
        load_books(tmp_path)
