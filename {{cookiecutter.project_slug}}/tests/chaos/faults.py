"""The faults, one method each; a seed decides which ones are injected."""

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress

TRAINING = ("training-1", "training-2")


class Faults:
    """Injects faults and brings the servers back up."""

    def __init__(self, playground, database, broker, *, seed, lease_s):
        self.playground = playground
        self.database = database
        self.broker = broker
        self.lease_s = lease_s
        self.rng = random.Random(seed)
        self.done = Counter()
        self._down = {database.name: threading.Lock(), broker.name: threading.Lock()}
        self._repairs = []
        self._weighted = [
            (self.kill_training_worker, 4),
            (self.stop_training_worker, 2),
            (self.freeze_training_worker, 1),
            (self.kill_training_process, 4),
            (self.kill_default_worker, 2),
            (self.kill_web_worker, 3),
            (self.kill_web, 1),
            (self.kill_beat, 1),
            (self.kill_broker, 2),
            (self.restart_broker, 2),
            (self.kill_database, 2),
            (self.restart_database, 2),
        ]
        if "model" in playground.programs:
            self._weighted += [(self.kill_model_worker, 4), (self.kill_model, 1)]
        if playground.hosts:
            self._weighted.append((self.cut_off_training_worker, 12))
        self._cut = set()

    def inject(self):
        """Inject one fault at random; return a description of it."""
        faults, weights = zip(*self._weighted, strict=True)
        (fault,) = self.rng.choices(faults, weights)
        description = fault()
        self.done[fault.__name__.replace("_", " ")] += 1
        return description

    def repair(self):
        """Wait until everything that was taken down is up again."""
        for thread in self._repairs:
            thread.join()

    def kill_training_worker(self):
        return self._signal(self.rng.choice(TRAINING), signal.SIGKILL)

    def stop_training_worker(self):
        return self._signal(self.rng.choice(TRAINING), signal.SIGTERM)

    def freeze_training_worker(self):
        program = self.playground.programs[self.rng.choice(TRAINING)]
        process = program.process
        pause_s = self.lease_s + self.rng.uniform(1, 3)
        if program.frozen or not program.alive:
            return f"{program.name} is already down"
        # The training process too, as on a suspended machine.
        pids = [process.pid, *program.children()]

        def freeze():
            program.frozen = True
            _send(pids, signal.SIGSTOP)
            time.sleep(pause_s)
            _send(pids, signal.SIGCONT)
            program.frozen = False

        self._in_background(freeze)
        return f"{program.name} frozen for {pause_s:.1f} s"

    def cut_off_training_worker(self):
        name = self.rng.choice(TRAINING)
        pause_s = self.lease_s + self.rng.choice([-2, 3, 8, 20])
        if name in self._cut:
            return f"{name} is already cut off"
        self._cut.add(name)

        def cut():
            self.playground.hosts.cut(name)
            time.sleep(pause_s)
            self.playground.hosts.restore(name)
            self._cut.discard(name)

        self._in_background(cut)
        return f"{name} cut off for {pause_s:.0f} s"

    def kill_training_process(self):
        programs = [self.playground.programs[name] for name in TRAINING]
        trainings = [pid for each in programs if each.alive for pid in each.children()]
        if not trainings:
            return "no training process is running"
        pid = self.rng.choice(trainings)
        _send([pid], signal.SIGKILL)
        return f"training process {pid} killed"

    def kill_default_worker(self):
        return self._signal("default", signal.SIGKILL)

    def kill_web_worker(self):
        return self._kill_child("web")

    def kill_web(self):
        return self._signal("web", signal.SIGKILL)

    def kill_model_worker(self):
        return self._kill_child("model")

    def kill_model(self):
        return self._signal("model", signal.SIGKILL)

    def kill_beat(self):
        return self._signal(self.rng.choice(("beat-1", "beat-2")), signal.SIGKILL)

    def kill_broker(self):
        return self._take_down(self.broker, self.broker.kill, "killed")

    def restart_broker(self):
        return self._take_down(self.broker, self.broker.stop, "stopped")

    def kill_database(self):
        return self._take_down(self.database, self.database.kill, "killed")

    def restart_database(self):
        return self._take_down(self.database, self.database.stop, "stopped")

    def _kill_child(self, name):
        master = self.playground.programs[name]
        workers = master.children() if master.alive else []
        if not workers:
            return f"no {name} worker is running"
        _send([self.rng.choice(workers)], signal.SIGKILL)
        return f"{name} worker killed"

    def _signal(self, name, number):
        self.playground.programs[name].send(number)
        return f"{name} {signal.Signals(number).name}"

    def _take_down(self, server, end, word):
        if not self._down[server.name].acquire(blocking=False):
            return f"{server.name} is already down"
        down_s = self.rng.choice([0, 0, 0.5, 2, 4])

        def take_down():
            try:
                end()
                time.sleep(down_s)
                server.start()
            finally:
                self._down[server.name].release()

        self._in_background(take_down)
        return f"{server.name} {word}, down for {down_s} s"

    def _in_background(self, work):
        thread = threading.Thread(target=work)
        thread.start()
        self._repairs.append(thread)


def _send(pids, number):
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
