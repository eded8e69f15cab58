"""The word rule: Latin text as Python's `\\w+`, other scripts by Unicode."""

import re
import sys
import unicodedata

import numpy as np
import pytest

from research.evaluation.baselines import tfidf_logistic_regression
from research.tasks.data_checks.ngrams import Vocabulary, normal
from research.tasks.encoding.nearest import nearness
from research.tasks.metrics.corpus import corpus_score
from research.tasks.metrics.text import TEXT_METRICS
from research.tasks.words import (
    beyond_latin,
    joined_words,
    latin_or_words,
    spaced,
    words,
    words_and_punctuation,
)

# Two sentences of each script; they share no word.
TEXTS = {
    "Latin": ("Le garçon a mangé une pomme à l'école.", "Tři ženy šly včera večer domů!"),
    "Cyrillic": ("Мальчик съел зелёное яблоко в школе.", "«Три женщины пошли вчера домой!»"),
    "Greek": ("Το αγόρι έφαγε ένα μήλο στο σχολείο.", "Τρεις γυναίκες πήγαν χθες σπίτι!"),
    "Arabic": ("أكل الولد تفاحة خضراء في المدرسة.", "ذهبت ثلاث نساء أمس إلى بيوتهن؟"),
    "Hebrew": ("הילד אכל תפוח ירוק בבית הספר.", "שלוש נשים הלכו אתמול הביתה!"),
    "Devanagari": ("लड़के ने स्कूल में हरा सेब खाया।", "तीन महिलाएँ कल शाम घर गईं!"),
    "Bengali": ("ছেলেটি স্কুলে একটি সবুজ আপেল খেয়েছে।", "তিনজন মহিলা গতকাল সন্ধ্যায় বাড়ি গেলেন!"),
    "Tamil": ("சிறுவன் பள்ளியில் பச்சை ஆப்பிள் சாப்பிட்டான்.", "மூன்று பெண்கள் நேற்று மாலை வீட்டிற்குச் சென்றனர்!"),
    "Hangul": ("소년은 학교에서 푸른 사과를 먹었다.", "세 여자가 어제 저녁 집에 갔다!"),
    "Georgian": ("ბიჭმა სკოლაში მწვანე ვაშლი შეჭამა.", "სამი ქალი გუშინ საღამოს სახლში წავიდა!"),
    "Han": ("男孩在学校吃了苹果。", "昨晚三位女士回家！"),
    "Kana": ("ラーメンをたべた。", "ひとりでうちにかえる！"),
    "Thai": ("เด็กชายกินแอปเปิล", "หญิงสามคนกลับบ้านเมื่อวาน"),
    "Lao": ("ເດັກຊາຍກິນຫມາກໂປມ", "ແມ່ຍິງສາມຄົນກັບບ້ານ"),
    "Khmer": ("ក្មេងប្រុសញ៉ាំផ្លែប៉ោម។", "ស្ត្រីបីនាក់ទៅផ្ទះ។"),
    "Myanmar": ("ကောင်လေးသည်ပန်းသီးစားသည်။", "အမျိုးသမီးသုံးဦးအိမ်ပြန်ကြသည်။"),
}
SPACELESS = ("Han", "Kana", "Thai", "Lao", "Khmer", "Myanmar")


def test_latin_text_has_the_words_of_python():
    texts = [
        *TEXTS["Latin"],
        "don't_stop 2 naïve m² ½ “quotes”—dash… 'a\u00b7b\u02bcc' ŁÓDŹ œuvre €5 ♥",
    ]
    for text in texts:
        assert words(text) == re.findall(r"\w+", text)
        assert joined_words(text) == " ".join(words(text))
        assert words_and_punctuation(text) == re.findall(r"\w+|[^\w\s]", text)
        assert latin_or_words(text.lower(), "[a-z0-9]+") == re.findall("[a-z0-9]+", text.lower())
        assert spaced(text) == text and not beyond_latin(text)
    known = [chr(i) for i in range(sys.maxunicode) if unicodedata.category(chr(i)) not in "CnCs"]
    for character in known:
        assert bool(words(character)) == bool(re.match(r"\w", character)), hex(ord(character))


@pytest.mark.parametrize("script", sorted(set(TEXTS) - {"Latin", *SPACELESS}))
def test_marks_stay_with_their_letters(script):
    for text in TEXTS[script]:
        expected = [part.strip(".!?؟।«»") for part in text.split()]
        assert words(text) == joined_words(text).split() == expected
        assert latin_or_words(text, "[a-z0-9]+") == expected and beyond_latin(text)
        assert spaced(text) == text


@pytest.mark.parametrize("script", SPACELESS)
def test_characters_are_words_where_there_are_no_spaces(script):
    for text in TEXTS[script]:
        inner = [c for c in text if unicodedata.category(c)[0] in "LM"]
        assert "".join(words(text)) == "".join(inner)
        letters = [unicodedata.category(c)[0] == "L" for word in words(text) for c in word]
        assert sum(letters) == len(words(text)) > 4
        assert joined_words(text) == "".join(inner) and beyond_latin(text)
        assert spaced(text).split() == words_and_punctuation(text)


def test_words_of_several_scripts():
    assert words("iPhone手机3台，ok") == ["iPhone", "手", "机", "3", "台", "ok"]
    assert joined_words("iPhone手机 3台") == "iPhone 手机 3 台"
    assert latin_or_words("naïve дом m² 手机", "[a-z0-9]+") == ["na", "ve", "дом", "m", "手", "机"]
    assert latin_or_words("à", "[a-z0-9]+") == ["à"]
    assert words("e\u0301te\u0301") == ["e\u0301te\u0301"] and words("می\u200cخواهم") == [
        "می\u200cخواهم"
    ]


@pytest.mark.parametrize("script", TEXTS)
def test_metrics_of_a_text_against_itself_are_1_and_fall_with_each_word(script):
    first, second = TEXTS[script]
    for name, metric in TEXT_METRICS.items():
        assert metric(first, [first]) == 1 and metric(second, [first]) < 0.35
        if name != "exact_match":
            assert 0.2 < metric(first[: len(first) // 2], [first]) < 1
            assert 0.4 < metric(f"{first} {second}", [first]) < 1
    for name in ("bleu", "chrf"):
        assert corpus_score(name, TEXTS[script], [[first], [second]])[0] == pytest.approx(1)
        assert corpus_score(name, TEXTS[script], [[second], [first]])[0] < 0.2


def test_bleu_of_chinese_is_that_of_sacrebleu():
    from sacrebleu.metrics.bleu import BLEU

    outputs = ["2024年,北京的GDP增长了5.2%。“很好！”他说（笑）", "男孩在学校吃了一个苹果。"]
    references = ["2024年，北京GDP增长5.2%。“很好！”他笑着说", "男孩在学校里吃了苹果。"]
    expected = BLEU(tokenize="zh").corpus_score(outputs, [references]).score / 100
    assert 0.3 < expected < 0.9
    assert corpus_score("bleu", outputs, [[r] for r in references])[0] == pytest.approx(expected)


@pytest.mark.parametrize("script", TEXTS)
def test_checks_demonstrations_and_tf_idf_see_the_words(script):
    first, second = TEXTS[script]
    [near] = nearness([first, second])([second[: 2 * len(second) // 3]])
    assert near[1] > 0.5 > near[0]
    fitted = tfidf_logistic_regression([first, second], [0, 1], 2, 10.0)
    halves = [text[len(text) // 3 :] for text in (first, second)]
    np.testing.assert_array_equal(fitted.predict(halves)[0], [0, 1])
    grams, rows = Vocabulary().grams([normal(first), normal(f"x {first}"), normal(second)], 2)
    assert (rows == 0).sum() >= 3 and np.isin(grams[rows == 0], grams[rows == 1]).all()
    assert not np.isin(grams[rows == 2], grams[rows == 0]).any()
