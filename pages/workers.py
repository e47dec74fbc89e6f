"""Workers: who is there, who works, who is wedged?"""

from cells.show import table
from cells.views import workers
from data_sources.query import History, Workers

table("workers", "Who works", "", Workers(), workers.workers, throughput=History("throughput", "worker"))
