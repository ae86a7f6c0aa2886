"""What was said: Whisper gives the language and the text of an utterance, and an embedding of its voice.

The encoder's cost grows with its context. So the context is cut to the utterance instead of Whisper's 30 s: the
utterance and `CONTEXT_MARGIN_S` of silence, `MIN_CONTEXT_S` at the least. Such a short context is decoded well only if
the decoder is asked for timestamps: they tell it where the speech ends. It still begins a second time now and then, in
a segment that starts where the utterance is over; that segment is left out.

The embedding comes from the encoder's first layers (`voicepipe.speech.voice_encoder`), which see the same features.
Where the times of the words are asked for, the decoder reads its text once more (`voicepipe.speech.word_times`).
"""

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from voicepipe.ports import TranscriptionRequest
from voicepipe.speech import processor
from voicepipe.speech.hallucination import GuardConfig, rejecting_guard
from voicepipe.speech.processor import InstructionSet
from voicepipe.speech.segment import MAX_UTTERANCE_S
from voicepipe.speech.voice_encoder import LAYERS, MEL_FRAMES_PER_S, VoiceEncoder, padded
from voicepipe.speech.word_times import FRAME_S, timed, words_of
from voicepipe.types import SAMPLE_RATE_HZ, FloatArray, ModelError, Recognition, Transcript, Utterance, Word

MIN_CONTEXT_S = 6.0
"""Shortest context of the encoder."""
CONTEXT_MARGIN_S = 2.0
"""Silence that the encoder sees after the utterance. The words depend on this margin more than on the context's length:
of the English prompts that ``scripts/evaluate_wer.py`` reads, 84 words are lost with 0.5 s of it and 7 with 2 s."""
CONTEXT_STEP_S = 1.0
"""Contexts are whole multiples of this: with shorter steps each is cheaper, with longer ones more share a pass."""
MAX_CONTEXT_S = 30.0
"""What Whisper's positional encoding covers (Radford et al., arXiv 2212.04356, section 2.1)."""

_LEVEL_DBFS = -20.0  # of the 90th percentile of the frames' RMS
_LEVEL_FRAME_SAMPLES = 320  # 20 ms
_MAX_GAIN_DB = 40.0
_TOKENS_PER_S = 24
_TOKENS_SPARE = 16
_TIMESTAMP_S = 0.02
_MEL_FRAMES_PER_FRAME = round(MEL_FRAMES_PER_S * FRAME_S)
_MAX_NEW_TOKENS = 224  # half of the decoder's 448 positions, as in Whisper's training
_MOST_IN_ONE_PASS = 4  # more is hardly quicker, and takes memory
_MAX_FIRST_TIMESTAMP = 50  # steps of 20 ms: the first segment begins within the first second


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperConfig:
    """How the model is run.

    Attributes
    ----------
    compute_type : str
        CTranslate2's arithmetic, ``int8`` or ``float32``.
    cpu_threads : int
        Threads of one inference.
    num_workers : int
        Inferences that run at the same time when `WhisperTranscriber.recognize` is called from several threads; the
        weights are shared, the working memory is not.
    instruction_set : {"auto", "avx512", "avx2"}
        What the processor computes with, see `voicepipe.speech.processor`. ``avx2`` gives the same words on machines
        with and without AVX-512. The first transcriber of a process decides.
    guards : GuardConfig
        Thresholds of the guards against text that nobody said.
    """

    compute_type: str = "int8"
    cpu_threads: int = 1
    num_workers: int = 1
    instruction_set: InstructionSet = "auto"
    guards: GuardConfig = field(default_factory=GuardConfig)

    def __post_init__(self) -> None:
        if self.cpu_threads < 1 or self.num_workers < 1:
            raise ValueError(f"cpu_threads {self.cpu_threads}, num_workers {self.num_workers}: both must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decoded:
    """The decoder's raw answer."""

    tokens: list[int]
    text: str
    avg_logprob: float
    no_speech_prob: float
    ended: bool


class WhisperTranscriber:
    """Recognises utterances with a Whisper model in CTranslate2's format. Safe to share between threads.

    Parameters
    ----------
    model_dir : Path
        Folder with ``model.bin``, ``config.json``, ``tokenizer.json`` and ``vocabulary.txt`` (or ``.json``); see
        `voicepipe.speech.weights`.
    config : WhisperConfig
    voice_layers : sequence of int
        Encoder layers that the embedding is taken after; the stress models are trained on the default.

    Attributes
    ----------
    arithmetic : str
        What the model is computed with, as in ``int8-avx512``; other arithmetic may hear other words.

    Raises
    ------
    ModelError
        If the folder holds no usable model, or the processor does not have the instruction set.

    References
    ----------
    Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv 2212.04356 (2022).
    CTranslate2, ``ctranslate2.models.Whisper``, https://opennmt.net/CTranslate2/python/ctranslate2.models.Whisper.html
    """

    def __init__(
        self, model_dir: Path, *, config: WhisperConfig | None = None, voice_layers: Sequence[int] = LAYERS
    ) -> None:
        from faster_whisper import WhisperModel
        from faster_whisper.feature_extractor import FeatureExtractor
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        self.config = config or WhisperConfig()
        if not (model_dir / "model.bin").is_file() or not (model_dir / "tokenizer.json").is_file():
            raise ModelError(
                f"No Whisper model in {model_dir} (model.bin or tokenizer.json is missing): "
                "run `voicepipe models pull`."
            )
        taken = processor.take(self.config.instruction_set)
        self.arithmetic = "-".join(filter(None, (self.config.compute_type, taken)))
        try:
            whisper = WhisperModel(
                str(model_dir),
                device="cpu",
                compute_type=self.config.compute_type,
                cpu_threads=self.config.cpu_threads,
                num_workers=self.config.num_workers,
            )
        except Exception as error:  # the tokenizers library raises bare Exceptions
            raise ModelError(
                f"The Whisper model in {model_dir} cannot be loaded ({error}): run `voicepipe models verify`."
            ) from error
        self._model: Any = whisper.model
        self._aligns = _names_alignment_heads(model_dir)
        self._log_mel: Any = FeatureExtractor(feature_size=self._model.n_mels)
        multilingual: bool = self._model.is_multilingual
        self._tokenizers: dict[str, Any] = {
            language: Tokenizer(whisper.hf_tokenizer, multilingual, task="transcribe", language=language)
            for language in whisper.supported_languages
            if not multilingual or whisper.hf_tokenizer.token_to_id(f"<|{language}|>") is not None
        }
        tokenizer = next(iter(self._tokenizers.values()))
        self._suppressed: list[int] = list(get_suppressed_tokens(tokenizer, [-1]))
        self._encode: Any = whisper.encode
        self._voice = VoiceEncoder(
            model_dir,
            quantized=self.config.compute_type == "int8",
            cpu_threads=self.config.cpu_threads,
            layers=voice_layers,
        )

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes (a few longer: ``yue``, ``haw``) that the model can be told to expect."""
        return frozenset(self._tokenizers)

    def recognize(
        self,
        utterance: Utterance,
        *,
        language: str | None,
        choose_language: Callable[[Mapping[str, float]], str | None] | None = None,
        transcribe: bool = True,
        embed: bool = True,
        word_times: bool = False,
    ) -> Recognition:
        """Recognise one utterance.

        Parameters
        ----------
        utterance : Utterance
            At most 29.5 s long.
        language : str or None
            ISO 639-1 code. None, or a code that is not in `languages`, lets the model detect the language:
            `Recognition.language_probs` then holds the probability of each language.
        choose_language : callable, optional
            Takes the detected probabilities and returns the language to decode in; without it, or when it returns
            none of `languages`, the likeliest is decoded.
        transcribe : bool
            False leaves out text and language.
        embed : bool
            False leaves out the embedding.
        word_times : bool
            True fills `Transcript.words`, if the model knows which of its attention heads follow the words; the text
            is the same.

        Raises
        ------
        ValueError
            If the utterance has no samples or is longer than 29.5 s.
        """
        mel, duration_s = self._features(utterance.samples)
        embedding = self._voice.embed(mel, duration_s=duration_s) if embed else None
        if not transcribe:
            return Recognition(transcript=None, embedding=embedding)
        encoded = self._encoded([mel], context=context_s(duration_s))
        language_probs = None
        if language not in self._tokenizers:
            language_probs = self._language_probs(encoded)
            language = choose_language(language_probs) if choose_language else None
            if language not in self._tokenizers:
                language = max(language_probs, key=language_probs.__getitem__)
        request = TranscriptionRequest(utterance=utterance, language=language, word_times=word_times)
        [transcript] = self._transcripts([request], encoded)
        return Recognition(transcript=transcript, embedding=embedding, language_probs=language_probs)

    def alike(self, utterance: Utterance) -> float:
        """Return the length of the encoder's context: utterances that share it are computed in one pass."""
        return context_s(_duration_s(utterance.samples))

    def transcribe_together(self, requests: Sequence[TranscriptionRequest]) -> list[Recognition]:
        """Transcribe several utterances: each as `recognize` would, but those that are `alike` in one pass.

        The decoder then reads its weights once for all of them: two together cost it two thirds of one after the other.

        Parameters
        ----------
        requests : sequence of TranscriptionRequest
            Utterances of at most 29.5 s. A language that is not in `languages` lets the model detect it.

        Raises
        ------
        ValueError
            If an utterance has no samples or is longer than 29.5 s.
        """
        recognitions: dict[int, Recognition] = {}
        by_context: dict[float, list[int]] = defaultdict(list)
        for at, request in enumerate(requests):
            by_context[self.alike(request.utterance) if request.language in self._tokenizers else -at].append(at)
        for context, places in _passes(by_context):
            members = [requests[at] for at in places]
            together = self._one_pass(members, context=context) if len(members) > 1 else [None]
            for at, request, recognition in zip(places, members, together, strict=True):
                recognitions[at] = recognition or self.recognize(
                    request.utterance, language=request.language, embed=request.embed, word_times=request.word_times
                )
        return [recognitions[at] for at in range(len(requests))]

    def embed(self, samples: FloatArray) -> FloatArray:
        """Return the embedding alone, shape (2 * n_layers * d_model,), as `recognize` gives it.

        Parameters
        ----------
        samples : ndarray, shape (n,), float32
            At `SAMPLE_RATE_HZ`, at most 29.5 s.

        Raises
        ------
        ValueError
            If there are no samples, or too many.
        """
        mel, duration_s = self._features(samples)
        return self._voice.embed(mel, duration_s=duration_s)

    def _features(self, samples: FloatArray) -> tuple[FloatArray, float]:
        """Return the log-mel features, shape (n_mels, n), and the length in seconds."""
        duration_s = _duration_s(samples)
        if not 0.0 < duration_s <= MAX_UTTERANCE_S:
            raise ValueError(
                f"An utterance of {duration_s:.2f} s cannot be recognised: it must have samples and be at most "
                f"{MAX_UTTERANCE_S} s long."
            )
        mel: FloatArray = self._log_mel(_levelled(samples))
        return mel, duration_s

    def _language_probs(self, encoded: Any) -> dict[str, float]:
        if not self._model.is_multilingual:
            return {"en": 1.0}
        return {token[2:-2]: float(prob) for token, prob in self._model.detect_language(encoded)[0]}

    def _encoded(self, mels: Sequence[FloatArray], *, context: float) -> Any:
        """Return what the encoder makes of features, each padded to a context of so many seconds.

        It takes them one by one: what it computes with then stays in the processor's cache; together they take longer.
        """
        n_frames = round(context * MEL_FRAMES_PER_S)
        encoded = [self._encode(padded(mel, n_frames=n_frames)[None]) for mel in mels]
        if len(encoded) == 1:
            return encoded[0]
        return type(encoded[0]).from_array(np.concatenate([np.asarray(one) for one in encoded]))

    def _one_pass(self, requests: Sequence[TranscriptionRequest], *, context: float) -> list[Recognition | None]:
        """Recognise utterances that share a context; None for one that alone would have been cut short."""
        features = [self._features(request.utterance.samples) for request in requests]
        transcripts = self._transcripts(requests, self._encoded([mel for mel, _ in features], context=context))
        return [
            None
            if transcript is None
            else Recognition(
                transcript=transcript,
                embedding=self._voice.embed(mel, duration_s=duration_s) if request.embed else None,
            )
            for request, (mel, duration_s), transcript in zip(requests, features, transcripts, strict=True)
        ]

    def _transcripts(self, requests: Sequence[TranscriptionRequest], encoded: Any) -> list[Transcript | None]:
        """Return the transcripts of one pass; None for one that alone would have been cut short."""
        heard: list[Transcript | None] = []
        for row, (request, decoded) in enumerate(zip(requests, self._decode(requests, encoded), strict=True)):
            if decoded is None:
                heard.append(None)
                continue
            utterance, language = request.utterance, request.language
            rejected = rejecting_guard(
                decoded.text,
                tokens=decoded.tokens,
                ended=decoded.ended,
                avg_logprob=decoded.avg_logprob,
                no_speech_prob=decoded.no_speech_prob,
                speech_prob=utterance.speech_prob,
                speech_s=utterance.speech_s,
                config=self.config.guards,
            )
            with_words = request.word_times and self._aligns and decoded.text and not rejected
            heard.append(
                Transcript(
                    text="" if rejected else decoded.text,
                    language=language,
                    words=self._words(utterance, encoded, row, decoded, language=language) if with_words else (),
                    avg_logprob=decoded.avg_logprob,
                    no_speech_prob=decoded.no_speech_prob,
                    rejected=rejected,
                )
            )
        return heard

    def _words(
        self, utterance: Utterance, encoded: Any, row: int, decoded: _Decoded, *, language: str
    ) -> tuple[Word, ...]:
        """Return the words of one row of a pass with their times; none if they are not the text."""
        tokenizer = self._tokenizers[language]
        words = words_of(decoded.tokens, decode=tokenizer.decode)
        if "".join(word.text for word in words).strip() != decoded.text:
            return ()
        if encoded.shape[0] > 1:
            encoded = type(encoded).from_array(np.array(np.asarray(encoded)[row : row + 1]))
        n_frames = math.ceil(_duration_s(utterance.samples) / FRAME_S)
        [aligned] = self._model.align(
            encoded, tokenizer.sot_sequence, [decoded.tokens], [n_frames * _MEL_FRAMES_PER_FRAME]
        )
        return timed(words, path=aligned.alignments, probs=aligned.text_token_probs, utterance=utterance)

    def _decode(self, requests: Sequence[TranscriptionRequest], encoded: Any) -> list[_Decoded | None]:
        """Decode utterances in one pass; None for one that took more tokens than it may, while others may take more."""
        tokenizers = [self._tokenizers[request.language] for request in requests]
        durations_s = [_duration_s(request.utterance.samples) for request in requests]
        prompts: list[list[int]] = [one.sot_sequence for one in tokenizers]  # no <|notimestamps|>: they are asked for
        max_new_tokens = [min(_MAX_NEW_TOKENS, _TOKENS_SPARE + math.ceil(_TOKENS_PER_S * one)) for one in durations_s]
        results = self._model.generate(
            encoded,
            prompts,
            beam_size=1,
            max_length=len(prompts[0]) + max(max_new_tokens),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            max_initial_timestamp_index=_MAX_FIRST_TIMESTAMP,
        )
        return [
            None
            if len(result.sequences_ids[0]) >= limit < max(max_new_tokens)
            else _decoded(result, tokenizer, max_new_tokens=limit, duration_s=duration_s)
            for result, tokenizer, limit, duration_s in zip(
                results, tokenizers, max_new_tokens, durations_s, strict=True
            )
        ]


def _passes(by_context: Mapping[float, list[int]]) -> Iterator[tuple[float, list[int]]]:
    for context, members in by_context.items():
        for at in range(0, len(members), _MOST_IN_ONE_PASS):
            yield context, members[at : at + _MOST_IN_ONE_PASS]


def _decoded(result: Any, tokenizer: Any, *, max_new_tokens: int, duration_s: float) -> _Decoded:
    tokens: list[int] = result.sequences_ids[0]
    said = _said(tokens, first_timestamp=tokenizer.timestamp_begin, duration_s=duration_s)
    return _Decoded(
        tokens=[token for token in said if token < tokenizer.eot],
        text=tokenizer.decode(said).strip(),
        # CTranslate2 divides by the number of tokens without the end token, Whisper counts it.
        avg_logprob=result.scores[0] * len(tokens) / (len(tokens) + 1),
        no_speech_prob=result.no_speech_prob,
        ended=len(tokens) < max_new_tokens,
    )


def _names_alignment_heads(model_dir: Path) -> bool:
    """Whether the model says which attention heads follow the words; one that was tuned and converted again may not."""
    config = model_dir / "config.json"
    return config.is_file() and bool(json.loads(config.read_text(encoding="utf-8")).get("alignment_heads"))


def _duration_s(samples: FloatArray) -> float:
    return len(samples) / SAMPLE_RATE_HZ


def context_s(duration_s: float) -> float:
    """Return the length of the encoder's context for an utterance of `duration_s`.

    Examples
    --------
    >>> context_s(1.2), context_s(4.3), context_s(29.0)
    (6.0, 7.0, 30.0)
    """
    wanted_s = math.ceil((duration_s + CONTEXT_MARGIN_S) / CONTEXT_STEP_S) * CONTEXT_STEP_S
    return min(max(wanted_s, MIN_CONTEXT_S), MAX_CONTEXT_S)


def _said(tokens: list[int], *, first_timestamp: int, duration_s: float) -> list[int]:
    """Leave out the segments that begin when the utterance is over: what was said, heard a second time.

    A segment is a timestamp, text and a timestamp (Radford et al., section 2.3).
    """
    over = first_timestamp + math.ceil(duration_s / _TIMESTAMP_S)
    for at, (before, token) in enumerate(itertools.pairwise(tokens)):
        if before >= first_timestamp and token >= over:
            return tokens[: at + 1]
    return tokens


def _levelled(samples: FloatArray) -> FloatArray:
    """Bring the louder part of the utterance to `_LEVEL_DBFS`, by one gain: quiet lines read like loud ones."""
    finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    n_frames = finite.shape[0] // _LEVEL_FRAME_SAMPLES
    if n_frames == 0:
        return finite
    frames = finite[: n_frames * _LEVEL_FRAME_SAMPLES].reshape(n_frames, _LEVEL_FRAME_SAMPLES)
    loud_rms = float(np.percentile(np.sqrt(np.mean(np.square(frames), axis=1)), 90))
    gain = min(10 ** (_LEVEL_DBFS / 20) / max(loud_rms, 1e-9), 10 ** (_MAX_GAIN_DB / 20))
    return finite * np.float32(gain)
