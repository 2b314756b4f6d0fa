"""Stands between a client and a broker, knows Kafka's frames, and can lose one of them.

    with broker.proxy() as proxy:           the client comes by broker.proxied
        proxy.lose("response", END_TXN)     the next one: it is dropped, every connection breaks, and new ones are refused
        proxy.lost.wait(PATIENCE)
        proxy.restore()                     connections are accepted again
        proxy.seen                          kinds of all requests that came by

A frame is its length in 4 bytes; a request begins with its kind in 2 bytes, its version in 2, and in 4 the number that its response begins with.
"""
import socket
import struct
import threading

PRODUCE, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT = 0, 8, 9, 10, 22, 24, 25, 26, 28


def frame_of(stream):
    head = stream.read(4)
    body = stream.read(struct.unpack(">i", head)[0]) if len(head) == 4 else b""
    return head + body if len(head) == 4 and len(body) == struct.unpack(">i", head)[0] else None


def close(connection):
    """Also wakes the thread that reads from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


class Proxy:
    def __init__(self, port, target):
        self.port, self.target = port, target
        self.lock = threading.Lock()
        self.open = set()          # sockets of both sides
        self.armed = None          # ("request" or "response", kind)
        self.lost = threading.Event()
        self.seen = set()
        self.listener = None

    def __enter__(self):
        self.restore()
        return self

    def __exit__(self, *_):
        self.refuse()

    # -------------------------------------------------------------------------------------------- what a test does
    def lose(self, side, kind):
        self.lost.clear()
        self.armed = (side, kind)

    def refuse(self):
        """Breaks every connection and accepts no new one."""
        with self.lock:
            listener, self.listener = self.listener, None
            broken, self.open = self.open, set()
        for connection in ([listener] if listener else []) + list(broken):
            close(connection)

    def restore(self):
        assert self.listener is None
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    # -------------------------------------------------------------------------------------------- its threads
    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            for connection in (client, broker):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                wanted = self.listener is listener
                if wanted:
                    self.open |= {client, broker}
            if not wanted:
                close(client), close(broker)
                return
            kinds = {}   # of requests that are not answered yet, by number
            for side, here, there in (("request", client, broker), ("response", broker, client)):
                threading.Thread(target=self.pass_on, args=(side, here, there, kinds), daemon=True).start()

    def pass_on(self, side, here, there, kinds):
        stream = here.makefile("rb")
        try:
            while frame := frame_of(stream):
                if side == "request":
                    kind, _, number = struct.unpack_from(">hhi", frame, 4)
                    kinds[number] = kind
                    self.seen.add(kind)
                else:
                    kind = kinds.pop(struct.unpack_from(">i", frame, 4)[0], None)
                with self.lock:
                    lost = self.armed == (side, kind)
                    self.armed = None if lost else self.armed
                if lost:
                    self.refuse()
                    self.lost.set()
                    return
                there.sendall(frame)
        except OSError:
            pass
        finally:
            with self.lock:
                self.open -= {here, there}
            close(here), close(there)
