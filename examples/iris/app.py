"""The server of the iris tutorial. Start it with: flask run"""

from iris import pred_iris, train_iris

from chariots import Chariots

app = Chariots([train_iris, pred_iris], path="iris_store", import_name="iris_app")
