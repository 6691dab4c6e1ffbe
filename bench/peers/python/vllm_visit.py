"""One group of cells on vLLM's engine in this process, driven step by step; dummy weights."""

import os

from visit import Request, measure

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "3")


class Engine:
    def __init__(self, request):
        from vllm import LLM

        # As many threads as the others, on the first cores this process may use.
        cores = sorted(os.sched_getaffinity(0))[: request.threads]
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", ",".join(map(str, cores)))
        llm = LLM(
            model=request.model,
            load_format="dummy",
            dtype="bfloat16",
            skip_tokenizer_init=True,
            max_model_len=2304,
            max_num_seqs=64,
            max_num_batched_tokens=2304,
            enable_prefix_caching=False,
            disable_log_stats=True,
        )
        self.engine = llm.llm_engine
        self.next_id = 0
        self.running = []

    def fill(self, prompts, steps):
        from vllm import SamplingParams

        params = SamplingParams(
            temperature=0.0, max_tokens=steps + 200, ignore_eos=True, detokenize=False
        )
        self.running = []
        for prompt in prompts:
            name = f"r{self.next_id}"
            self.next_id += 1
            self.engine.add_request(name, {"prompt_token_ids": prompt}, params)
            self.running.append(name)
        seen = set()
        while len(seen) < len(prompts):
            for output in self.engine.step():
                if output.outputs and output.outputs[0].token_ids:
                    seen.add(output.request_id)

    def steps(self, count):
        for _ in range(count):
            self.engine.step()

    def drop(self):
        self.engine.abort_request(self.running)
        while self.engine.has_unfinished_requests():
            self.engine.step()


if __name__ == "__main__":
    asked = Request()
    measure(asked, Engine(asked))
