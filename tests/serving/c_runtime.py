"""Runs the signatures of a SavedModel by TensorFlow's C library, without its Python.

    python c_runtime.py FOLDER_OF_LIBRARIES FOLDER_OF_EXPORT < requests > answers

Reads and writes JSON lines. A request is `{"signature": ..., "inputs": {name: {"dtype",
"shape", "values"}}, "repeat": 1}`; texts are base64. The first line of the output
describes the export, each further one is an answer.
"""

import base64
import ctypes
import json
import os
import sys
import time

FLOAT, INT32, STRING, INT64, BOOL = 1, 3, 7, 9, 10
_CTYPES = {
    FLOAT: ctypes.c_float,
    INT32: ctypes.c_int32,
    INT64: ctypes.c_int64,
    BOOL: ctypes.c_bool,
}
_SIZE_OF_STRING = 24


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    ]


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def fields(message):
    """Splits a protocol buffer into `(number, value)` pairs."""

    def varint(at):
        shift = value = 0
        while True:
            byte = message[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at

    at = 0
    while at < len(message):
        key, at = varint(at)
        kind = key & 7
        if kind == 0:
            value, at = varint(at)
        else:
            size, at = varint(at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = message[at : at + size], at + size
        yield key >> 3, value


def signature_table(meta_graph):
    """Reads, from a `MetaGraphDef`, `{signature: ({input: info}, {output: info})}`.

    An info is a pair of the tensor's name in the graph and its type.
    """
    table = {}
    for number, entry in fields(meta_graph):
        if number != 5:
            continue
        entry = dict(fields(entry))
        sides = ({}, {})
        for side, item in fields(entry[2]):
            if side in (1, 2):
                item = dict(fields(item))
                info = dict(fields(item[2]))
                sides[side - 1][item[1].decode()] = (info[1].decode(), info.get(2, 0))
        table[entry[1].decode()] = sides
    return table


class Library:
    """The C library, its calls checked."""

    def __init__(self, folder):
        for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"):
            library = ctypes.CDLL(os.path.join(folder, name), mode=ctypes.RTLD_GLOBAL)
        self._library = library
        self._status = self("TF_NewStatus")

    def __call__(self, name, *args, result=ctypes.c_void_p):
        function = getattr(self._library, name)
        function.restype = result
        return function(*args)

    def checked(self, name, *args):
        """Calls a function that ends in a status argument or has one."""
        value = self(name, *args)
        self.check()
        return value

    @property
    def status(self):
        return ctypes.c_void_p(self._status)

    def check(self):
        code = self("TF_GetCode", self.status, result=ctypes.c_int)
        if code:
            message = self("TF_Message", self.status, result=ctypes.c_char_p)
            raise RuntimeError(f"{code}: {message.decode('utf-8', 'replace')}")

    def tensor(self, dtype, shape, values):
        dims = (ctypes.c_int64 * len(shape))(*shape)
        size = _SIZE_OF_STRING if dtype == STRING else ctypes.sizeof(_CTYPES[dtype])
        tensor = ctypes.c_void_p(
            self(
                "TF_AllocateTensor",
                dtype,
                dims,
                len(shape),
                ctypes.c_size_t(size * len(values)),
            )
        )
        data = self("TF_TensorData", tensor)
        if dtype != STRING:
            array = (_CTYPES[dtype] * len(values)).from_address(data) if values else []
            array[:] = values
            return tensor
        for index, text in enumerate(values):
            place = ctypes.c_void_p(data + index * _SIZE_OF_STRING)
            self("TF_StringInit", place, result=None)
            size = ctypes.c_size_t(len(text))
            self("TF_StringCopy", place, text, size, result=None)
        return tensor

    def values(self, tensor):
        """Returns a tensor's shape and its values, a flat list, and deletes it."""
        rank = self("TF_NumDims", tensor, result=ctypes.c_int)
        shape = [
            self("TF_Dim", tensor, axis, result=ctypes.c_int64) for axis in range(rank)
        ]
        num = 1
        for size in shape:
            num *= size
        dtype = self("TF_TensorType", tensor, result=ctypes.c_int)
        data = self("TF_TensorData", tensor)
        values = []
        if dtype == STRING:
            for index in range(num):
                place = ctypes.c_void_p(data + index * _SIZE_OF_STRING)
                size = self("TF_StringGetSize", place, result=ctypes.c_size_t)
                start = self("TF_StringGetDataPointer", place)
                text = ctypes.string_at(start, size)
                values.append(base64.b64encode(text).decode("ascii"))
        elif num:
            values = list((_CTYPES[dtype] * num).from_address(data))
        self("TF_DeleteTensor", tensor, result=None)
        return shape, values


class Session:
    """A loaded SavedModel."""

    def __init__(self, library, folder):
        self.library = library
        self.graph = ctypes.c_void_p(library("TF_NewGraph"))
        options = ctypes.c_void_p(library("TF_NewSessionOptions"))
        tags = (ctypes.c_char_p * 1)(b"serve")
        meta_graph = library("TF_NewBuffer", result=ctypes.POINTER(_Buffer))
        self.session = ctypes.c_void_p(
            library.checked(
                "TF_LoadSessionFromSavedModel",
                options,
                None,
                folder.encode(),
                tags,
                1,
                self.graph,
                meta_graph,
                library.status,
            )
        )
        buffer = meta_graph.contents
        self.signatures = signature_table(ctypes.string_at(buffer.data, buffer.length))

    def run(self, signature, inputs):
        """Answers a request, `{output: (shape, values)}`."""
        wanted, given = self.signatures[signature]
        if set(inputs) != set(wanted):
            raise RuntimeError(f"inputs are {sorted(wanted)}")
        tensors = [
            self.library.tensor(
                wanted[name][1] if value["dtype"] is None else value["dtype"],
                value["shape"],
                value["values"],
            )
            for name, value in inputs.items()
        ]
        feeds = self._places([wanted[name][0] for name in inputs])
        fetches = self._places([place for place, _ in given.values()])
        results = (ctypes.c_void_p * len(given))()
        try:
            self.library.checked(
                "TF_SessionRun",
                self.session,
                None,
                feeds,
                (ctypes.c_void_p * len(tensors))(*[t.value for t in tensors]),
                len(tensors),
                fetches,
                results,
                len(given),
                None,
                0,
                None,
                self.library.status,
            )
        finally:
            for tensor in tensors:
                self.library("TF_DeleteTensor", tensor, result=None)
        return {
            name: self.library.values(ctypes.c_void_p(result))
            for name, result in zip(given, results, strict=True)
        }

    def _places(self, names):
        places = []
        for name in names:
            operation, _, index = name.partition(":")
            found = self.library(
                "TF_GraphOperationByName", self.graph, operation.encode()
            )
            places.append(_Output(found, int(index or 0)))
        return (_Output * len(places))(*places)


def main():
    libraries, export = sys.argv[1:]
    start = time.perf_counter()
    library = Library(libraries)
    linked = time.perf_counter()
    session = Session(library, export)
    described = {
        "seconds_to_link": linked - start,
        "seconds_to_load": time.perf_counter() - linked,
        "signatures": session.signatures,
    }
    print(json.dumps(described), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        inputs = request["inputs"]
        for value in inputs.values():
            if value["dtype"] == STRING:
                value["values"] = [base64.b64decode(text) for text in value["values"]]
        answer = {"seconds": []}
        try:
            for _ in range(request.get("repeat", 1)):
                start = time.perf_counter()
                answer["outputs"] = session.run(request["signature"], inputs)
                answer["seconds"].append(time.perf_counter() - start)
        except RuntimeError as error:
            answer["error"] = str(error)
        print(json.dumps(answer), flush=True)
    foreign = {"tensorflow", "tfvae", "keras", "numpy"} & set(sys.modules)
    assert not foreign, foreign


if __name__ == "__main__":
    main()
