"""Draws a training log as an SVG: loss on answers and on questions against tokens, logarithmic upwards."""

import argparse
import json
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 64, 150, 24, 48
SERIES = {"answer_loss": ("answers", "#1f5fa8"), "question_loss": ("questions", "#b3541e")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True, help="log.jsonl of train.py")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    with open(arguments.log, encoding="utf8") as file:
        records = [record for record in map(json.loads, file) if "loss" in record]
    last = records[-1]["tokens"]
    low, high = 0.01, 10

    def x(tokens):
        return LEFT + (WIDTH - LEFT - RIGHT) * tokens / last

    def y(loss):
        return TOP + (HEIGHT - TOP - BOTTOM) * math.log(high / loss) / math.log(high / low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        "<title>Training loss of gsm-tiny</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in range(0, int(last / 1e6) + 1, 100):
        parts.append(f'<text x="{x(tick * 1e6):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">tokens seen, millions</text>')
    parts.append(
        f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">cross-entropy, nats per token</text>'
    )
    for name, (label, color) in SERIES.items():
        points = " ".join(f"{x(record['tokens']):.1f},{y(record[name]):.1f}" for record in records)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        end = records[-1][name]
        parts.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y(end) + 4:.1f}" fill="{color}">{label}: {end:.3f}</text>')
    parts.append("</svg>")
    with open(arguments.out, "w", encoding="utf8") as file:
        file.write("\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
