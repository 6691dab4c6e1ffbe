"""One group of cells on ONNX Runtime GenAI: a generator of a fixed batch, token by token."""

import json

import numpy
import onnxruntime_genai as genai

from visit import Request, measure


class Engine:
    def __init__(self, request):
        config = genai.Config(request.model)
        options = {"model": {"decoder": {"session_options": {"intra_op_num_threads": request.threads}}}}
        config.overlay(json.dumps(options))
        self.model = genai.Model(config)
        self.generator = None

    def fill(self, prompts, steps):
        params = genai.GeneratorParams(self.model)
        length = len(prompts[0]) + steps + 2
        params.set_search_options(
            batch_size=len(prompts), min_length=length, max_length=length, do_sample=False
        )
        self.generator = genai.Generator(self.model, params)
        self.generator.append_tokens(numpy.array(prompts, dtype=numpy.int32))
        self.generator.generate_next_token()

    def steps(self, count):
        for _ in range(count):
            self.generator.generate_next_token()

    def drop(self):
        self.generator = None


if __name__ == "__main__":
    asked = Request()
    measure(asked, Engine(asked))
