"""What model.py imports: the names of Label Studio's reference ML SDK (2.0.x).

Plain Python that knows nothing of the service around it: works in a notebook too.
"""

package_name = "label-studio-ml"
__version__ = "2.0.1"  # the reference release whose public names are offered here
