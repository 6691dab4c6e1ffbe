"""Trains gsm-tiny: BF16 autocast, AdamW, cosine schedule, resumable. Needs PyTorch; see README.md."""

import argparse
import json
import math
import pathlib
import time

import torch
from batches import GAP_TEXT, Problems, batches
from evaluate import evaluate_all
from llama import CONFIG, Llama
from safetensors.torch import save_file
from tokenizers import Tokenizer


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", required=True, help="prefix of tokens.py's output")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json")
    parser.add_argument("--data", help="folder of gsm-synth: evaluated at the end")
    parser.add_argument("--out", required=True, help="folder for log, weights and evaluation")
    parser.add_argument("--checkpoint", help="file to resume from and to write every --save-every steps")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--stop-at", type=int, help="end the run at this step of the schedule")
    parser.add_argument("--batch", type=int, default=32, help="rows in a step")
    parser.add_argument("--length", type=int, default=4096, help="tokens in a row")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=1000)
    parser.add_argument("--log-every", type=int, default=20)
    parser.add_argument("--limit", type=int, help="questions evaluated of each set")
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


def rate_at(step, arguments):
    """Linear warm-up, then half a cosine down to nothing."""
    if step < arguments.warmup:
        return arguments.rate * (step + 1) / arguments.warmup
    done = (step - arguments.warmup) / max(1, arguments.steps - arguments.warmup)
    return arguments.rate * 0.5 * (1 + math.cos(math.pi * done))


def optimizer_of(model, cuda):
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    gains = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, fused=cuda)


class Run:
    def __init__(self, arguments):
        self.arguments = arguments
        self.out = pathlib.Path(arguments.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(arguments.seed)
        torch.set_float32_matmul_precision("high")
        self.tokenizer = Tokenizer.from_file(arguments.tokenizer)
        self.model = Llama(CONFIG).to(self.device)
        self.optimizer = optimizer_of(self.model, self.device == "cuda")
        self.step = 0
        self.resume()

    def resume(self):
        path = self.arguments.checkpoint
        if path is None or not pathlib.Path(path).exists():
            return
        state = torch.load(path, map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def save(self):
        path = self.arguments.checkpoint
        if path is None:
            return
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step}
        torch.save(state, f"{path}.tmp")
        pathlib.Path(f"{path}.tmp").replace(path)

    def export(self):
        """The checkpoint as transformers lays it out, without the tokenizer."""
        weights = {name: weight.to(torch.bfloat16).cpu().contiguous() for name, weight in self.model.state_dict().items()}
        save_file(weights, str(self.out / "model.safetensors"), metadata={"format": "pt"})
        (self.out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")

    def log(self, record):
        line = json.dumps(record)
        print(line, flush=True)
        with open(self.out / "log.jsonl", "a", encoding="utf8") as file:
            file.write(line + "\n")

    def start_record(self, problems):
        arguments = vars(self.arguments)
        machine = torch.cuda.get_device_name() if self.device == "cuda" else "CPU"
        settings = {name: arguments[name] for name in ("steps", "batch", "length", "rate", "warmup", "seed")}
        return {
            "event": "start" if self.step == 0 else "resume",
            "step": self.step,
            **settings,
            "parameters": sum(weight.numel() for weight in self.model.parameters()),
            "problems": len(problems),
            "unique_tokens": len(problems.ids),
            "device": machine,
            "torch": torch.__version__,
        }

    def train(self):
        arguments = self.arguments
        problems = Problems(arguments.tokens)
        gap = self.tokenizer.token_to_id(GAP_TEXT)
        self.log(self.start_record(problems))
        source = batches(problems, arguments.batch, arguments.length, arguments.seed, gap, skip=self.step)
        model = torch.compile(self.model) if arguments.compile else self.model
        started, last = time.monotonic(), self.step
        end = arguments.stop_at or arguments.steps
        while self.step < end:
            loss, answers, questions, norm = self.one_step(model, next(source))
            self.step += 1
            if self.step % arguments.log_every == 0 or self.step == end or self.step <= 2:
                record = {"step": self.step, "tokens": self.step * arguments.batch * arguments.length}
                values = torch.stack((loss, answers, questions, norm)).tolist()
                names = ("loss", "answer_loss", "question_loss", "gradient_norm")
                record |= {name: round(value, 5) for name, value in zip(names, values)}
                now = time.monotonic()
                speed = (self.step - last) * arguments.batch * arguments.length / (now - started)
                self.log(record | {"rate": rate_at(self.step - 1, arguments), "tokens_per_second": round(speed)})
                started, last = now, self.step
            if self.step % arguments.save_every == 0:
                self.save()
        self.save()
        self.export()

    def one_step(self, model, batch):
        rate = rate_at(self.step, self.arguments)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        ids, targets, weights = (torch.from_numpy(part.copy()).to(self.device, non_blocking=True) for part in batch)
        with torch.autocast(self.device, dtype=torch.bfloat16):
            loss, answers, questions = model(ids, targets, weights)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach(), answers.detach(), questions.detach(), norm

    def evaluate(self):
        """On the weights as they were saved: rounded to BF16, computed in BF16."""
        model = self.model.to(torch.bfloat16).eval()
        for figures, records in evaluate_all(model, self.tokenizer, self.arguments.data, self.device, self.arguments.limit):
            self.log({"event": "evaluation", "step": self.step, **figures})
            with open(self.out / "responses.jsonl", "a", encoding="utf8") as file:
                for record in records:
                    file.write(json.dumps({"set": figures["set"], "shots": figures["shots"], **record}) + "\n")


def main():
    arguments = parse()
    run = Run(arguments)
    run.train()
    if arguments.data is not None:
        run.evaluate()


if __name__ == "__main__":
    main()
