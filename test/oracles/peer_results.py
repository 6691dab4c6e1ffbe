"""Result files of GuideLLM and AIPerf, measured against our mock server and kept as test/fixtures/results/.

    node bin/quantlab.js mock-server --ttft-ms 30 --itl-ms 5 --port 8001 &
    python peer_results.py --bin VENV/bin --url http://127.0.0.1:8001 --tokenizer FOLDER [--from FOLDER]

With --from the tools are not run: their files lie in the folder already. What says something of the
machine (paths, addresses, ids, single requests) is taken out; figures are left as they are.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "results"


def run_all(folder, args):
    """Four short runs: each tool in a closed loop and at a rate."""
    bin_folder = Path(args.bin)
    for name, profile in [
        ("guidellm", "kind=concurrent,streams=3"),
        ("guidellm-rate", "kind=constant,rate=20"),
    ]:
        subprocess.run(
            [
                bin_folder / "guidellm", "run",
                "--backend", f"kind=openai_http,target={args.url},model=mock",
                "--profile", profile,
                "--constraint", "kind=max_requests,count=12",
                "--tokenizer", f"kind=hf_auto,model={args.tokenizer}",
                "--data", "kind=synthetic_text,prompt_tokens=16,output_tokens=20",
                "--output", f"kind=json,path={folder / name}.json",
                "--disable-console-interactive",
            ],
            check=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    for name, more in [
        ("aiperf", ["--endpoint-type", "completions", "--concurrency", "3",
                    "--goodput", "time_to_first_token:200"]),
        ("aiperf-rate", ["--endpoint-type", "chat", "--request-rate", "20",
                         "--use-server-token-count"]),
    ]:
        subprocess.run(
            [
                bin_folder / "aiperf", "profile", "-m", "mock", "--url", args.url, "--streaming",
                "--request-count", "12", "--synthetic-input-tokens-mean", "16",
                "--output-tokens-mean", "20", "--output-tokens-stddev", "0",
                "--tokenizer", args.tokenizer, "--ui", "none",
                "--output-artifact-dir", folder / name, *more,
            ],
            check=True,
        )


def neutral_guidellm(report):
    spec = report["config"]["spec"]
    spec["backend"]["target"] = "http://127.0.0.1:8001"
    spec["tokenizer"]["model"] = "tokenizer"
    for output in spec["outputs"]:
        output["path"] = "guidellm.json"
    report["metadata"]["platform"] = "Linux"
    for benchmark in report["benchmarks"]:
        benchmark["config"]["backend"]["target"] = "http://127.0.0.1:8001"
        benchmark["config"].pop("environment", None)
        benchmark["requests"] = {key: [] for key in benchmark["requests"]}
        keep = {"requests_per_second", "request_latency", "time_to_first_token_ms", "request_totals",
                "inter_token_latency_ms", "time_per_output_token_ms", "output_tokens_per_second",
                "tokens_per_second", "output_token_count", "request_goodput", "slo_attainment"}
        benchmark["metrics"] = {k: v for k, v in benchmark["metrics"].items() if k in keep}
    return report


def neutral_aiperf(export):
    export["run_info"] = {"trial": export["run_info"]["trial"]}
    settings = export["input_config"]
    settings["endpoint"]["urls"] = ["http://127.0.0.1:8001"]
    settings["artifacts"]["dir"] = "artifacts"
    settings["tokenizer"]["name"] = "tokenizer"
    # The tool's view of the wire; nothing of ours is made from it.
    return {k: v for k, v in export.items()
            if not k.startswith(("http_req", "effective_", "active_", "telemetry"))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin")
    parser.add_argument("--url")
    parser.add_argument("--tokenizer")
    parser.add_argument("--from", dest="folder")
    args = parser.parse_args()
    folder = Path(args.folder or tempfile.mkdtemp())
    if args.folder is None:
        run_all(folder, args)
    for name in ["guidellm", "guidellm-rate"]:
        write(name, neutral_guidellm(json.loads((folder / f"{name}.json").read_text())))
    for name in ["aiperf", "aiperf-rate"]:
        export = (folder / name / "profile_export_aiperf.json").read_text()
        write(name, neutral_aiperf(json.loads(export)))


def write(name, value):
    (FIXTURES / f"{name}.json").write_text(json.dumps(value, separators=(",", ":")) + "\n")


main()
