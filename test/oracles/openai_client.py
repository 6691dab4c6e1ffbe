"""OpenAI's own Python client, unmodified, against a quantlab server.

    pip install openai
    python test/oracles/openai_client.py http://127.0.0.1:8000/v1

Prints one JSON object: the client's version and what it did. Ends with an error if anything is wrong.
"""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
model = client.models.list().data[0].id
done = ["models.list"]
messages = [{"role": "user", "content": "Tom has 3 apples and buys 4. How many has he?"}]

whole = client.completions.create(
    model=model, prompt=["One", "Two"], n=2, max_tokens=8, temperature=0, logprobs=2, echo=True
)
assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
assert whole.choices[0].text.startswith("One")
assert len(whole.choices[0].logprobs.tokens) == len(whole.choices[0].logprobs.token_logprobs)
done.append("completions.create: list of prompts, n, echo, logprobs")

pieces = client.completions.create(model=model, prompt="One", max_tokens=8, temperature=0, stream=True)
text = "".join(piece.choices[0].text for piece in pieces)
assert whole.choices[0].text == "One" + text
done.append("completions.create: stream, equal to the whole answer")

chat = client.chat.completions.create(
    model=model, messages=messages, max_completion_tokens=12, temperature=0, logprobs=True, top_logprobs=3
)
assert len(chat.choices[0].logprobs.content) == chat.usage.completion_tokens
done.append("chat.completions.create: max_completion_tokens, logprobs, top_logprobs")

stream = client.chat.completions.create(
    model=model,
    messages=messages,
    max_tokens=12,
    temperature=0,
    stream=True,
    stream_options={"include_usage": True},
    seed=1,
    stop=["\n\n\n"],
    extra_body={"ignore_eos": True, "min_tokens": 12},
)
chunks = list(stream)
assert chunks[-1].usage.completion_tokens == 12
done.append("chat.completions.create: stream, usage, seed, stop, extra_body")

for wrong, kind in [
    ({"model": "gpt-9"}, openai.NotFoundError),
    ({"temperature": 5}, openai.BadRequestError),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError),
]:
    try:
        client.chat.completions.create(**{"model": model, "messages": messages, **wrong})
    except kind as error:
        assert error.body["message"], error
    else:
        raise AssertionError(f"{wrong} was taken")
done.append("errors have the client's own classes")

print(json.dumps({"version": openai.__version__, "done": done}))
