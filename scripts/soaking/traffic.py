"""Clients of all kinds, each a thread that does one deed after another until it is told to stop."""
import collections
import random
import threading
import time

from .bad import BAD, BadDeeds
from .good import GOOD, PATIENCE, GoodDeeds
from .wire import Gone


class Traffic(GoodDeeds, BadDeeds):
    def __init__(self, tp2, few, odd, big, files):
        self.tp2, self.port, self.few, self.odd, self.big, self.files = tp2, tp2.port, few, odd, big, files
        self.lock, self.counts, self.wrong = threading.Lock(), collections.Counter(), []
        self.running, self.over = threading.Event(), threading.Event()
        self.busy, self.threads = 0, []
        self.faces = 0

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def note(self, deed, error):
        with self.lock:
            self.wrong.append(f"{deed.__name__}: {type(error).__name__} {error}")

    def begin(self, good, bad):
        rows = [(GOOD, good), (BAD, bad)]
        for deeds, number in rows:
            for seed in range(number):
                thread = threading.Thread(target=self.client, args=(deeds, random.Random(f"{len(deeds)} {seed}")))
                thread.daemon = True
                self.threads.append(thread)
                thread.start()

    def client(self, deeds, chance):
        names, weights = zip(*deeds)
        while not self.over.is_set():
            if not self.running.wait(0.2):
                continue
            deed = chance.choices(names, weights)[0]
            with self.lock:
                self.busy += 1
            try:
                deed(self, chance)
                self.count(deed.__name__)
            except (OSError, Gone) as error:
                if deeds is GOOD:
                    self.note(deed, error)
                else:
                    self.count(deed.__name__)
            except Exception as error:  # An answer that can't even be read is wrong as well.
                self.note(deed, error)
            finally:
                with self.lock:
                    self.busy -= 1

    def rest(self, patience=PATIENCE):
        """Nobody begins another deed, and all have ended those that they were at."""
        self.running.clear()
        give_up_at = time.monotonic() + patience
        while self.busy and time.monotonic() < give_up_at:
            time.sleep(0.02)
        return self.busy == 0

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)
