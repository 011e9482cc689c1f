"""How does the iris model learn?"""

from chariots import MLMode, Node, Pipeline

from {{ cookiecutter.project_name }}.ops.data_ops.download_iris import DownloadIris
from {{ cookiecutter.project_name }}.ops.feature_ops.x_y_split import XYSplit
from {{ cookiecutter.project_name }}.ops.model_ops.iris_pca import IrisPCA
from {{ cookiecutter.project_name }}.ops.model_ops.iris_rf import IrisRF

train_iris = Pipeline(
    [
        Node(DownloadIris(), output_nodes="flowers"),
        Node(XYSplit(), input_nodes=["flowers"], output_nodes=["raw_x", "y"]),
        Node(IrisPCA(MLMode.FIT_PREDICT), input_nodes=["raw_x"], output_nodes="x"),
        Node(IrisRF(MLMode.FIT), input_nodes=["x", "y"]),
    ],
    "train_iris",
)
