package queryimport

import (
	"encoding/binary"
	"errors"
)

// errThrift says that bytes are not a structure of Thrift's compact protocol, or
// one that claims more than it holds.
var errThrift = errors.New("is damaged")

// Bounds of a structure.
const (
	maxThriftDepth = 32
	// maxThriftItems bounds the items of all lists together: what a list claims is
	// allocated before it is read.
	maxThriftItems = 200_000
)

// The types of Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// thriftWalk measures a structure without reading anything into memory.
type thriftWalk struct {
	data  []byte
	at    int
	items int
}

// thriftSize returns how many bytes of data the structure at its beginning has.
// Every length in it lies within data.
func thriftSize(data []byte) (int, error) {
	w := thriftWalk{data: data}
	if err := w.structure(0); err != nil {
		return 0, err
	}
	return w.at, nil
}

func (w *thriftWalk) structure(depth int) error {
	if depth > maxThriftDepth {
		return errThrift
	}
	for {
		head, err := w.byte()
		if err != nil || head == 0 {
			return err
		}
		if head>>4 == 0 { // the field's number follows
			if _, err := w.varint(); err != nil {
				return err
			}
		}
		if kind := head & 0xf; kind != thriftTrue && kind != thriftFalse {
			if err := w.value(kind, depth); err != nil {
				return err
			}
		}
	}
}

func (w *thriftWalk) value(kind byte, depth int) error {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte: // inside of lists a truth value has a byte
		return w.skip(1)
	case thriftDouble:
		return w.skip(8)
	case thriftBinary:
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case thriftList, thriftSet:
		return w.list(depth)
	case thriftMap:
		return w.pairs(depth)
	case thriftStruct:
		return w.structure(depth + 1)
	default:
		if kind > thriftByte && kind <= thriftI64 {
			_, err := w.varint()
			return err
		}
		return errThrift
	}
}

func (w *thriftWalk) list(depth int) error {
	head, err := w.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = w.varint(); err != nil {
			return err
		}
	}
	return w.repeat(n, depth, head&0xf)
}

func (w *thriftWalk) pairs(depth int) error {
	n, err := w.varint()
	if err != nil || n == 0 {
		return err
	}
	kinds, err := w.byte()
	if err != nil {
		return err
	}
	return w.repeat(n, depth, kinds>>4, kinds&0xf)
}

func (w *thriftWalk) repeat(n uint64, depth int, kinds ...byte) error {
	// Every item has a byte at least.
	if n > uint64(len(w.data)-w.at) || depth >= maxThriftDepth {
		return errThrift
	}
	if w.items += int(n); w.items > maxThriftItems {
		return errThrift
	}
	for range n {
		for _, kind := range kinds {
			if err := w.value(kind, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *thriftWalk) byte() (byte, error) {
	if w.at >= len(w.data) {
		return 0, errThrift
	}
	w.at++
	return w.data[w.at-1], nil
}

func (w *thriftWalk) skip(n uint64) error {
	if n > uint64(len(w.data)-w.at) {
		return errThrift
	}
	w.at += int(n)
	return nil
}

func (w *thriftWalk) varint() (uint64, error) {
	v, n := binary.Uvarint(w.data[w.at:])
	if n <= 0 {
		return 0, errThrift
	}
	w.at += n
	return v, nil
}
