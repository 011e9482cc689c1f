"""A client of the iris tutorial, for a second terminal."""

import sys

from iris import pred_iris, train_iris

from chariots.pipelines import PipelinesClient

client = PipelinesClient(*sys.argv[1:])

client.call_pipeline(train_iris)
client.save_pipeline(train_iris)
client.load_pipeline(pred_iris)

response = client.call_pipeline(pred_iris, [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]])
print("species:", response.value)
for node, version in response.versions.items():
    print(f"{node}: {version!r}")
