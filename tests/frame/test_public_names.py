"""Is every documented name where the documentation says, with the members it promises?"""

from __future__ import annotations

import importlib
import inspect

import pytest

MODULES = [
    "chariots",
    "chariots.versioning",
    "chariots.pipelines",
    "chariots.pipelines.ops",
    "chariots.pipelines.nodes",
    "chariots.pipelines.runners",
    "chariots.pipelines.callbacks",
    "chariots.pipelines.pipelines_server",
    "chariots.pipelines.pipelines_client",
    "chariots.ml",
    "chariots.ml.sklearn",
    "chariots.ml.keras",
    "chariots.ml.serializers",
    "chariots.op_store",
    "chariots.op_store.savers",
    "chariots.workers",
    "chariots.config",
    "chariots.errors",
    "chariots.testing",
    "chariots.cli",
    "chariots.base",
    "chariots.callbacks",
    "chariots.keras",
    "chariots.nodes",
    "chariots.ops",
    "chariots.runners",
    "chariots.savers",
    "chariots.serializers",
    "chariots.sklearn",
]

NAMES = {
    "chariots": "Pipeline Node MLMode Chariots Client AsyncClient OpStore TestClient __version__",
    "chariots.versioning": "Version VersionType VersionedField VersionedFieldDict VersionableMeta",
    "chariots.pipelines": "Pipeline PipelinesServer PipelinesClient AsyncPipelinesClient AbstractPipelinesClient",
    "chariots.pipelines.pipelines_server": "PipelineResponse PipelinesServer",
    "chariots.pipelines.pipelines_client": "PipelinesClient AbstractPipelinesClient",
    "chariots.pipelines.ops": "BaseOp LoadableOp",
    "chariots.pipelines.nodes": (
        "Node BaseNode ReservedNodes ABTestNode ConditionalNode MapNode DataLoadingNode DataSavingNode"
    ),
    "chariots.pipelines.runners": "BaseRunner SequentialRunner",
    "chariots.pipelines.callbacks": (
        "OpCallBack PipelineCallback TimingCallback ProgressCallback LoggingCallback MetricsCallback"
    ),
    "chariots.ml": "MLMode BaseMLOp",
    "chariots.ml.sklearn": "BaseSKOp SKSupervisedOp SKUnsupervisedOp",
    "chariots.ml.keras": "KerasOp",
    "chariots.ml.serializers": "BaseSerializer DillSerializer JSONSerializer CSVSerializer",
    "chariots.op_store": "OpStoreServer OpStoreClient BaseOpStoreClient",
    "chariots.op_store.savers": "BaseSaver FileSaver GoogleStorageSaver",
    "chariots.workers": "BaseWorkerPool RQWorkerPool JobStatus",
    "chariots.config": ("ChariotsConfig ChariotsConfiguration OpStoreConfig PipelinesConfig WorkersConfig"),
    "chariots.errors": "VersionError BackendError",
    "chariots.testing": "TestOpStoreClient TestPipelinesClient",
    "chariots.cli": "main",
    "chariots.nodes": "Node BaseNode ReservedNodes ABTestNode ConditionalNode MapNode DataLoadingNode DataSavingNode",
    "chariots.ops": "BaseOp LoadableOp",
    "chariots.runners": "BaseRunner SequentialRunner",
    "chariots.callbacks": (
        "OpCallBack PipelineCallback TimingCallback ProgressCallback LoggingCallback MetricsCallback"
    ),
    "chariots.savers": "BaseSaver FileSaver",
    "chariots.serializers": "BaseSerializer DillSerializer JSONSerializer CSVSerializer",
    "chariots.sklearn": "BaseSKOp SKSupervisedOp SKUnsupervisedOp",
    "chariots.keras": "KerasOp",
    "chariots.base": "BaseOp",
}

MEMBERS = {
    "chariots.versioning:Version": (
        "major minor patch creation_time update update_major update_minor update_patch parse __add__"
    ),
    "chariots.versioning:VersionType": "MAJOR MINOR PATCH",
    "chariots.versioning:VersionedFieldDict": "version_dict __getitem__ __setitem__ __delitem__",
    "chariots.pipelines.ops:BaseOp": (
        "execute before_execution after_execution execute_with_all_callbacks name op_version "
        "allow_version_change __version__"
    ),
    "chariots.pipelines.ops:LoadableOp": "load serialize execute",
    "chariots.pipelines.nodes:BaseNode": (
        "check_version_compatibility execute load_latest_version persist replace_symbolic_references name "
        "node_version is_loadable output_references requires_runner require_saver"
    ),
    "chariots.pipelines.nodes:Node": "check_version_compatibility execute load_latest_version persist",
    "chariots.pipelines.nodes:ReservedNodes": "pipeline_input pipeline_output reference",
    "chariots.pipelines:Pipeline": (
        "execute extract_results execute_node get_all_op_links get_pipeline_versions load save name "
        "node_for_name pipeline_nodes"
    ),
    "chariots.pipelines:PipelinesClient": (
        "call_pipeline stream_pipeline fetch_job is_pipeline_loaded load_pipeline save_pipeline pipeline_versions"
    ),
    "chariots.pipelines.pipelines_server:PipelineResponse": "json from_request",
    "chariots.pipelines.runners:SequentialRunner": "run",
    "chariots.pipelines.callbacks:OpCallBack": "before_execution after_execution",
    "chariots.pipelines.callbacks:PipelineCallback": (
        "before_execution after_execution before_node_execution after_node_execution on_failure"
    ),
    "chariots.ml:MLMode": "FIT FIT_PREDICT PREDICT",
    "chariots.ml:BaseMLOp": (
        "fit predict _init_model serializer_cls training_update_version mode op_version allow_version_change"
    ),
    "chariots.ml.sklearn:SKSupervisedOp": (
        "model_class model_parameters fit_extra_parameters predict_function fit predict"
    ),
    "chariots.ml.sklearn:SKUnsupervisedOp": "model_class model_parameters fit_extra_parameters fit predict",
    "chariots.ml.keras:KerasOp": "fit_params input_params fit predict",
    "chariots.ml.serializers:BaseSerializer": "serialize_object deserialize_object",
    "chariots.op_store:BaseOpStoreClient": (
        "get_all_versions_of_op get_validated_links get_op_bytes_for_version save_op_bytes "
        "register_valid_link pipeline_exists register_new_pipeline post"
    ),
    "chariots.op_store.savers:FileSaver": "save load",
    "chariots.workers:BaseWorkerPool": (
        "n_workers spawn_worker execute_pipeline_async get_pipeline_response_json_for_id"
    ),
    "chariots.workers:JobStatus": "queued running done failed deferred from_rq",
    "chariots.config:ChariotsConfig": (
        "get_op_store_client get_op_store_server get_pipelines_client get_pipelines_server get_pipelines_worker_pool"
    ),
    "chariots.config:OpStoreConfig": "get_client get_saver get_server",
    "chariots.config:PipelinesConfig": "get_client get_runner",
    "chariots.config:WorkersConfig": "get_worker_pool",
    "chariots.errors:VersionError": "handle",
}

# Every argument of the documented signature, in its order; further ones may follow.
SIGNATURES = {
    "chariots.versioning:Version": "major minor patch creation_time",
    "chariots.versioning:VersionedField": "value affected_version",
    "chariots.pipelines.ops:BaseOp": "op_callbacks",
    "chariots.pipelines.nodes:Node": "op input_nodes output_nodes",
    "chariots.pipelines.nodes:BaseNode": "input_nodes output_nodes",
    "chariots.pipelines:Pipeline": "pipeline_nodes name pipeline_callbacks use_worker",
    "chariots.pipelines:PipelinesClient": "backend_url",
    "chariots.pipelines.pipelines_server:PipelineResponse": "value versions job_id job_status",
    "chariots.ml:BaseMLOp": "mode op_callbacks",
    "chariots.ml.keras:KerasOp": "mode verbose",
    "chariots.op_store:OpStoreServer": "saver db_url",
    "chariots.op_store:OpStoreClient": "url",
    "chariots.op_store.savers:FileSaver": "root_path",
    "chariots.op_store.savers:GoogleStorageSaver": "root_path bucket_name client_kwargs",
    "chariots.workers:RQWorkerPool": "redis_kwargs redis queue_kwargs",
    "chariots.config:ChariotsConfig": "config_file pipelines_config pipelines_worker_config op_store_config",
    "chariots.config:OpStoreConfig": "server_host server_port saver_type saver_kwargs op_store_db_url",
    "chariots.config:PipelinesConfig": ("runner server_host server_port pipelines pipeline_callbacks import_name"),
    "chariots.config:WorkersConfig": "use_for_all worker_type worker_pool_kwargs",
    "chariots.testing:TestOpStoreClient": "path saver",
    "chariots.testing:TestPipelinesClient": "app",
}


def resolve(path: str) -> type:
    """Imports ``module:name``."""
    module, _, name = path.partition(":")
    found: type = getattr(importlib.import_module(module), name)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_documented_module_can_be_imported(module: str) -> None:
    assert importlib.import_module(module).__doc__


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, names in NAMES.items() for n in names.split()])
def test_every_documented_name_is_where_the_documentation_says(module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) is not None


@pytest.mark.parametrize(("path", "member"), [(p, m) for p, names in MEMBERS.items() for m in names.split()])
def test_every_documented_member_exists(path: str, member: str) -> None:
    assert hasattr(resolve(path), member)


@pytest.mark.parametrize(("path", "arguments"), SIGNATURES.items())
def test_documented_arguments_keep_their_names_and_order(path: str, arguments: str) -> None:
    names = [name for name in inspect.signature(resolve(path)).parameters if name != "self"]
    wanted = arguments.split()
    assert names[: len(wanted)] == wanted


@pytest.mark.parametrize("module", ["chariots", "chariots.pipelines", "chariots.op_store", "chariots.ml"])
def test_names_that_load_on_demand_are_listed_by_dir(module: str) -> None:
    package = importlib.import_module(module)
    assert set(package.__all__) <= set(dir(package))


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    import chariots

    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        _ = chariots.Pipelin
