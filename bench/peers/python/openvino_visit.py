"""One group of cells on OpenVINO GenAI's continuous batching pipeline, driven step by step."""

import numpy
import openvino
import openvino_genai as genai

from visit import Request, measure


class Engine:
    def __init__(self, request):
        scheduler = genai.SchedulerConfig()
        scheduler.max_num_batched_tokens = 2048
        scheduler.max_num_seqs = 64
        scheduler.enable_prefix_caching = False
        # Tokens of 64 sequences, or of the long one, in blocks of 32 on CPU.
        scheduler.num_kv_blocks = 64 * 4 + 128
        properties = {"INFERENCE_NUM_THREADS": request.threads}
        if request.format == "bf16":
            properties["INFERENCE_PRECISION_HINT"] = "bf16"
        self.pipeline = genai.ContinuousBatchingPipeline(
            request.model, scheduler, "CPU", properties
        )
        self.next_id = 0
        self.handles = []

    def fill(self, prompts, steps):
        config = genai.GenerationConfig()
        config.max_new_tokens = 10000 if steps > 64 else 4 * steps + 200
        config.ignore_eos = True
        self.handles = []
        for prompt in prompts:
            tokens = openvino.Tensor(numpy.array([prompt], dtype=numpy.int64))
            self.handles.append(self.pipeline.add_request(self.next_id, tokens, config))
            self.next_id += 1
        waiting = list(self.handles)
        while waiting:
            self.pipeline.step()
            waiting = [handle for handle in waiting if not handle.can_read()]

    def steps(self, count):
        for _ in range(count):
            self.pipeline.step()

    def drop(self):
        for handle in self.handles:
            handle.cancel()
        while self.pipeline.has_non_finished_requests():
            self.pipeline.step()


if __name__ == "__main__":
    asked = Request()
    measure(asked, Engine(asked))
