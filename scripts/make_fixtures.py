"""Make the two sample calls of the demo and the tests from a written dialogue, with espeak-ng.

Both calls are stereo, 8 kHz, G.711 mu-law in WAV: the caller on the left, the agent on the right. In
``upset_caller.wav`` the caller grows upset and stays so; ``calm_caller.wav`` is his calm twin, same voice, with one
short outburst. The voice is synthetic: vocal effort is put on it by pitch, rate and loudness of the
synthesiser, then by a flatter spectrum and an uneven voice source, which is how raised voices differ from calm ones
(Traunmueller and Eriksson, "Acoustic effects of variation in vocal effort", JASA 107, 2000). The lines were chosen
among several for being understood by Whisper in this voice, and heard as upset by the stress model where they are: the
calls show the machine at work, they measure nothing.

Run ``python scripts/make_fixtures.py`` from the repository root; it needs espeak-ng and the package itself.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.signal import butter, sosfilt

RATE_HZ = 8_000
CALLER_VOICE = "en-us+m1"
AGENT_VOICE = "en-us+f5"
LINE_NOISE_DBFS = -62.0
SEED = 20261121


@dataclass(frozen=True, slots=True)
class Line:
    """One turn: who speaks, what, with how much vocal effort (0 calm, 1 shouting), and the pause after it."""

    side: str
    text: str
    effort: float = 0.0
    pause_s: float = 0.4


OPENING = (
    Line("agent", "Hello, you are speaking to Claire. How can I help you?"),
    Line("caller", "Good morning. I am calling about my electricity bill. It came on Monday."),
    Line("agent", "Of course. Can I have your name, please?"),
    Line("caller", "My name is Daniel Morris. I live in Market Street."),
    Line("caller", "I always pay on time, at the end of the month."),
    Line("agent", "Thank you. It says two hundred pounds."),
    Line("caller", "Yes. I want to know why it is so high."),
    Line("agent", "I am afraid the bill is correct."),
)

UPSET = (
    *OPENING,
    Line("caller", "What? How can it be so much? No! I have called you three times already!", 1.0, 0.3),
    Line("agent", "I understand.", 0.0, 0.3),
    Line("caller", "I do not care about your website! I want an answer! Nobody ever listens to me!", 1.0),
    Line("caller", "You promised to call me back last week! Why did nobody call me?", 1.0, 0.3),
    Line("agent", "I can give you a payment plan.", 0.0, 0.3),
    Line("caller", "Why is nobody helping me? What are you people doing with my money? Why?", 1.0, 1.3),
    Line("caller", "You are going to cut off my electricity! I have two children at home!", 1.0, 0.2),
    Line("agent", "Please wait a moment.", 0.0, 0.3),
    Line("caller", "No! Do not put me on hold again! I have been waiting for forty minutes!", 1.0, 0.9),
    Line("caller", "I do not want to look at the website! Do you know how long I have been waiting?", 1.0, 1.2),
    Line("caller", "What are you people doing with my money? Give me my money back! Now!", 1.0, 1.4),
    Line("caller", "I want an answer! Why is nobody helping me? I have called you every day!", 1.0, 0.6),
    Line("caller", "I do not care about your payment plan! I want my money back!", 1.0, 1.2),
    Line("caller", "I want my money back! You promised to call me back! Why did nobody call me?", 1.0, 0.3),
    Line("agent", "I am sorry.", 0.0, 0.0),
)

CALM = (
    *OPENING,
    Line("caller", "What? How can it be so much? No! I have called you three times already!", 1.0),
    Line("agent", "Can you hold on for a moment, please?"),
    Line("caller", "Yes, I can wait for a moment."),
    Line("agent", "Thank you for waiting. The bill is for three months."),
    Line("caller", "Oh, I see. Okay, I understand."),
    Line("agent", "You can pay it in smaller amounts, if you like."),
    Line("caller", "Yes, please. At the end of each month."),
    Line("agent", "Okay. Can I help you with anything else?"),
    Line("caller", "No. Thank you for your help. Goodbye."),
    Line("agent", "You are welcome. Have a nice day."),
)

CALLS = {"upset_caller": UPSET, "calm_caller": CALM}


def speak(text: str, *, voice: str, effort: float, scratch: Path) -> np.ndarray:
    """Synthesise one line.

    Returns
    -------
    ndarray, shape (n,), float64
        At `RATE_HZ`, full scale [-1, 1].
    """
    out = scratch / "line.wav"
    pitch, speed = round(38 + 55 * effort), round(155 + 35 * effort)
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", str(out), text]
    subprocess.run(command, check=True)
    samples, rate_hz = soundfile.read(out, dtype="float64")
    samples = soxr.resample(samples, rate_hz, RATE_HZ, quality="HQ")
    return project(samples / np.abs(samples).max(), effort=effort)


def project(samples: np.ndarray, *, effort: float) -> np.ndarray:
    """Raise the vocal effort: up to 12 dB louder, a spectrum up to 14 dB flatter above 1 kHz, a rougher source.

    Every line gets 4 dB above 1 kHz, for the synthesiser is dull and Whisper mishears it otherwise.
    """
    high = sosfilt(butter(1, 1000, "highpass", fs=RATE_HZ, output="sos"), samples)
    shaped = samples + (10 ** ((4 + 14 * effort) / 20) - 1) * high
    clock_s = np.arange(shaped.size) / RATE_HZ
    shaped *= 1 + 0.1 * effort * np.sin(2 * np.pi * 72 * clock_s + 2 * np.sin(2 * np.pi * 5.3 * clock_s))
    shaped /= np.sqrt(np.mean(shaped**2))
    return 10 ** ((-30 + 12 * effort) / 20) * shaped


def render(lines: tuple[Line, ...], *, scratch: Path, rng: np.random.Generator) -> np.ndarray:
    """Put a dialogue on the time line.

    Returns
    -------
    ndarray, shape (n, 2), float64
        Caller, agent.
    """
    pieces = []
    clock = round(0.5 * RATE_HZ)
    for line in lines:
        voice = CALLER_VOICE if line.side == "caller" else AGENT_VOICE
        samples = speak(line.text, voice=voice, effort=line.effort, scratch=scratch)
        pieces.append((0 if line.side == "caller" else 1, clock, samples))
        clock += samples.size + round(line.pause_s * RATE_HZ)
    call = rng.normal(0.0, 10 ** (LINE_NOISE_DBFS / 20), (clock + RATE_HZ, 2))
    for column, start, samples in pieces:
        call[start : start + samples.size, column] += samples
    return np.clip(call, -0.99, 0.99)


def main() -> int:
    """Write the sample calls; print their length and hash."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("voicepipe/samples"))
    args = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        print("espeak-ng is not installed: apt-get install espeak-ng", file=sys.stderr)
        return 1
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as scratch:
        for name, lines in CALLS.items():
            call = render(lines, scratch=Path(scratch), rng=rng)
            path = args.out / f"{name}.wav"
            soundfile.write(path, call, RATE_HZ, format="WAV", subtype="ULAW")
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            print(f"{path}  {len(call) / RATE_HZ:.1f} s  {path.stat().st_size} bytes  sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
