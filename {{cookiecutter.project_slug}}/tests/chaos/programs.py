"""Faults of the service's processes: killed, frozen, cut off, with a wrong clock."""

import signal
import time

from tests.chaos.background import send

TRAINING = ("training-1", "training-2")
_HOUR_S = 3600


class ProgramFaults:
    """Faults of the programs of the playground."""

    def __init__(self, playground, *, lease_s, rng, background):
        self.playground = playground
        self.lease_s = lease_s
        self.rng = rng
        self.background = background

    def weighted(self):
        faults = [
            (self.kill_training_worker, 4),
            (self.stop_training_worker, 2),
            (self.freeze_training_worker, 1),
            (self.kill_training_process, 4),
            (self.kill_default_worker, 2),
            (self.kill_web_worker, 3),
            (self.kill_web, 1),
            (self.kill_beat, 1),
            (self.shift_clock, 3),
        ]
        if "model" in self.playground.programs:
            faults += [(self.kill_model_worker, 4), (self.kill_model, 1)]
        if self.playground.hosts:
            faults.append((self.cut_off_training_worker, 12))
        return faults

    def kill_training_worker(self):
        return self._signal(self.rng.choice(TRAINING), signal.SIGKILL)

    def stop_training_worker(self):
        return self._signal(self.rng.choice(TRAINING), signal.SIGTERM)

    def freeze_training_worker(self):
        program = self.playground.programs[self.rng.choice(TRAINING)]
        process = program.process
        pause_s = self.lease_s + self.rng.uniform(1, 3)
        if program.frozen or not program.alive:
            return None
        # The training process too, as on a suspended machine.
        pids = [process.pid, *program.children()]

        def freeze():
            program.frozen = True
            send(pids, signal.SIGSTOP)
            time.sleep(pause_s)
            send(pids, signal.SIGCONT)
            program.frozen = False

        self.background.run(f"frozen {program.name}", freeze)
        return f"{program.name} frozen for {pause_s:.1f} s"

    def cut_off_training_worker(self):
        name = self.rng.choice(TRAINING)
        pause_s = self.lease_s + self.rng.choice([-2, 3, 8, 20])

        def cut():
            self.playground.hosts.cut(name)
            time.sleep(pause_s)
            self.playground.hosts.restore(name)

        if not self.background.run(f"cut {name}", cut):
            return None
        return f"{name} cut off for {pause_s:.0f} s"

    def kill_training_process(self):
        programs = [self.playground.programs[name] for name in TRAINING]
        trainings = [pid for each in programs if each.alive for pid in each.children()]
        if not trainings:
            return None
        pid = self.rng.choice(trainings)
        send([pid], signal.SIGKILL)
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

    def shift_clock(self):
        """Restart a program with a clock that is an hour off, and later once more."""
        name = self.rng.choice(("web", "default", *TRAINING, "beat-1", "beat-2"))
        ahead_s = self.rng.choice((-_HOUR_S, _HOUR_S))
        program = self.playground.programs[name]
        pause_s = self.rng.uniform(3, 10)

        def shift():
            program.environment["CLOCK_AHEAD_S"] = str(ahead_s)
            program.send(signal.SIGTERM)
            time.sleep(pause_s)
            del program.environment["CLOCK_AHEAD_S"]
            program.send(signal.SIGKILL)

        if not self.background.run(f"clock {name}", shift):
            return None
        return f"clock of {name} {ahead_s:+} s for {pause_s:.0f} s"

    def _kill_child(self, name):
        master = self.playground.programs[name]
        workers = master.children() if master.alive else []
        if not workers:
            return None
        send([self.rng.choice(workers)], signal.SIGKILL)
        return f"{name} worker killed"

    def _signal(self, name, number):
        program = self.playground.programs[name]
        if not program.alive:
            return None
        program.send(number)
        return f"{name} {signal.Signals(number).name}"
