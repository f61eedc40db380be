"""Many clients at once, their requests batched together by the small server."""

import concurrent.futures
import time

import numpy as np
import pytest

from tests.serving.server import Model, grpc_server
from tests.serving.support import TEXTS, assert_same
from tfvae.serving import Client


def request_of(client, request):
    """Returns the texts, seed and temperature of a client's request."""
    first = (client * 7 + request) % len(TEXTS)
    texts = (TEXTS[first:] + TEXTS[:first])[: 1 + request % 3]
    return texts, client * 1000 + request, float(request % 2)


def load(port, num_clients, num_requests):
    """Sends requests from many clients; returns the answers and their seconds."""

    def run(number):
        client = Client("tiny", "127.0.0.1", port, timeout=120.0)
        answers = []
        for request in range(num_requests):
            texts, seed, temperature = request_of(number, request)
            start = time.perf_counter()
            got = client.reconstruct(texts, seed=seed, temperature=temperature)
            answers.append((got, time.perf_counter() - start))
        return answers

    with concurrent.futures.ThreadPoolExecutor(num_clients) as clients:
        start = time.perf_counter()
        answers = list(clients.map(run, range(num_clients)))
        return answers, time.perf_counter() - start


def check(signatures, num_clients, num_requests):
    """Compares batched answers with those of one request at a time.

    Returns:
        Dict of metrics.
    """
    model = Model(signatures, batching=True)
    with grpc_server(model) as port:
        # The first request initializes; in a server the warm-up does.
        load(port, 1, 2)
    model.num_batches = 0
    with grpc_server(model, num_threads=num_clients) as port:
        answers, seconds = load(port, num_clients, num_requests)
    with grpc_server(Model(signatures)) as port:
        alone = Client("tiny", "127.0.0.1", port)
        for number, client in enumerate(answers):
            for request, (got, _) in enumerate(client):
                texts, seed, temperature = request_of(number, request)
                wanted = alone.reconstruct(texts, seed=seed, temperature=temperature)
                assert_same(got, wanted)
    times = [second for client in answers for _, second in client]
    return {
        "requests": len(times),
        "requests_per_second": len(times) / seconds,
        "median_ms": 1e3 * np.median(times),
        "p99_ms": 1e3 * np.quantile(times, 0.99),
        "requests_per_batch": len(times) / model.num_batches,
    }


def test_a_few_clients(signatures):
    metrics = check(signatures, num_clients=6, num_requests=4)
    assert metrics["requests_per_batch"] > 1.0


@pytest.mark.slow
def test_many_clients(signatures):
    metrics = check(signatures, num_clients=32, num_requests=50)
    assert metrics["requests"] == 1600
    print({name: round(float(value), 2) for name, value in metrics.items()})
