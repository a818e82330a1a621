package relational

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// The first byte of a packed body.
const (
	packedPlain byte = 0
	packedZstd  byte = 1
)

const (
	// packMin is the length in bytes below which compressing gains nothing.
	packMin = 128
	// unpackedMax bounds what a body may grow to when it is read. SQLite
	// itself takes no value above 1 GB.
	unpackedMax = 1 << 30
)

// ErrDamaged says that what is stored cannot be read.
var ErrDamaged = errors.New("a stored body is damaged")

// packer compresses bodies. It is safe for concurrent use.
type packer struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newPacker() (*packer, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true),
		zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(unpackedMax))
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return &packer{encoder: e, decoder: d}, nil
}

func (p *packer) close() error {
	p.decoder.Close()
	return p.encoder.Close()
}

// pack returns the stored form of b, which is never much longer than b.
func (p *packer) pack(b []byte) []byte {
	if len(b) >= packMin {
		out := p.encoder.EncodeAll(b, append(make([]byte, 0, len(b)/2+64), packedZstd))
		if len(out) <= len(b) {
			return out
		}
	}
	return append([]byte{packedPlain}, b...)
}

// unpack is the inverse of pack.
func (p *packer) unpack(body []byte) ([]byte, error) {
	if len(body) == 0 {
		return nil, ErrDamaged
	}
	switch body[0] {
	case packedPlain:
		return body[1:], nil
	case packedZstd:
		if len(body) == 1 {
			return nil, ErrDamaged // no frame at all is not an error to the decoder
		}
		b, err := p.decoder.DecodeAll(body[1:], nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return b, nil
	default:
		return nil, fmt.Errorf("%w: unknown form %d", ErrDamaged, body[0])
	}
}
