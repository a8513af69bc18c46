"""A stand-in for the proxy of a network lease, for the executor's part alone: it reads its order, takes the socket, answers each connection with one line and
counts it, and ends as the real one does. No TLS, no judgement, no way out."""
import array, os, re, select, socket, sys, time

def lend(address, path):
    host, port = address.split(":")
    listener = socket.socket()
    listener.bind((host, int(port)))
    listener.listen()
    for _ in range(200):
        try:
            to = socket.socket(socket.AF_UNIX)
            to.connect(path)
            break
        except OSError:
            time.sleep(0.05)
    to.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))])

def say(**line):
    text = [f'"{k}":' + (str(v) if isinstance(v, int) else '"' + v.replace("\n", "\\n") + '"') for k, v in line.items()]
    print("{" + ",".join(text) + "}", flush=True)

if sys.argv[1:2] == ["addresses"]:
    print("[]")
    sys.exit()
if sys.argv[1:2] == ["lend"]:
    lend(*sys.argv[2:])
    sys.exit()
order, rest = b"", b""
while b"\n" not in order:
    order += os.read(0, 1)
order = order.decode()
own = socket.socket(socket.AF_UNIX)
own.bind(re.search(r'"socket":"([^"]+)"', order)[1])
own.listen()
taken = own.accept()[0]
fds = array.array("i")
fds.frombytes(taken.recvmsg(1, 64)[1][0][2][:4])
listener = socket.socket(fileno=fds[0])
say(ready="the CA of this lease\n")
up, beat = 0, time.time()
until = time.time() + (2 if "short.test" in order else 600)
why = None
while why is None:
    ready = select.select([0, listener], [], [], 0.2)[0]
    if 0 in ready:
        beat = time.time()
        if os.read(0, 100) == b"":
            why = "its executor is gone"
    if listener in ready:
        peer = listener.accept()[0]
        peer.sendall(b"from outside\n")
        peer.close()
        up += 10
        say(up=up, down=13)
    if time.time() > until:
        why = "its time was over"
    if time.time() - beat > 15:
        why = "nobody beat"
say(end=why, up=up, down=13)
