"""The SDK that model.py imports: the names of Label Studio's reference ML SDK (2.0.x).

Plain Python. It does not depend on the service, so it also works in a notebook.
"""

package_name = "label-studio-ml"
__version__ = "2.0.1"  # the reference release whose public names are offered here
