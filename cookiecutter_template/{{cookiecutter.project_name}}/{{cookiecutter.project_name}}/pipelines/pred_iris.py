"""How does the iris model answer? The input is a list of flowers, four measures each."""

from chariots import MLMode, Node, Pipeline

from {{ cookiecutter.project_name }}.ops.feature_ops.from_array import FromArray
from {{ cookiecutter.project_name }}.ops.model_ops.iris_pca import IrisPCA
from {{ cookiecutter.project_name }}.ops.model_ops.iris_rf import IrisRF

pred_iris = Pipeline(
    [
        Node(IrisPCA(MLMode.PREDICT), input_nodes=["__pipeline_input__"], output_nodes="x"),
        Node(IrisRF(MLMode.PREDICT), input_nodes=["x"], output_nodes="species"),
        Node(FromArray(), input_nodes=["species"], output_nodes="__pipeline_output__"),
    ],
    "pred_iris",
)
