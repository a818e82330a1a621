package queryimport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// checkChunk walks the pages of a column as the library will, and refuses
// whatever could make it use more than a page's worth of memory: sizes that are
// too large or not true, compression that expands beyond what its header says,
// runs of more values than the page has, and encodings in which a short page
// stands for a long one. The column is flat; it has
// nulls if it is optional, and byte arrays if it holds texts.
func checkChunk(at io.ReaderAt, size int64, meta *format.ColumnMetaData, optional, texts bool) error {
	base := meta.DataPageOffset
	if meta.DictionaryPageOffset != 0 {
		base = meta.DictionaryPageOffset
	}
	if base < 4 || meta.TotalCompressedSize < 0 || base > size || meta.TotalCompressedSize > size-base {
		return errDamaged
	}
	unpack, err := unpacker(meta.Codec)
	if err != nil {
		return err
	}
	p := pageCheck{optional: optional, texts: texts, unpack: unpack}
	window := make([]byte, maxHeader)
	for left := meta.TotalCompressedSize; left > 0; {
		head := window[:min(left, maxHeader)]
		if _, err := at.ReadAt(head, base); err != nil {
			return errDamaged
		}
		n, err := thriftSize(head)
		if err != nil {
			return err
		}
		var h format.PageHeader
		if err := thrift.Unmarshal(&thrift.CompactProtocol{}, head[:n], &h); err != nil {
			return errDamaged
		}
		base, left = base+int64(n), left-int64(n)
		if h.CompressedPageSize < 0 || int64(h.CompressedPageSize) > left || h.UncompressedPageSize < 0 {
			return errDamaged
		}
		if h.CompressedPageSize > maxPageBytes || h.UncompressedPageSize > maxPageBytes {
			return fmt.Errorf("has a page of more than %d bytes", maxPageBytes)
		}
		page := make([]byte, h.CompressedPageSize)
		if _, err := at.ReadAt(page, base); err != nil && len(page) > 0 {
			return errDamaged
		}
		if err := p.page(&h, page); err != nil {
			return err
		}
		base, left = base+int64(len(page)), left-int64(len(page))
	}
	return nil
}

// pageCheck checks the pages of one column.
type pageCheck struct {
	// optional columns have levels that tell nulls, and texts are byte arrays.
	optional, texts bool
	unpack          func(data []byte, size int) ([]byte, error)
}

func (p pageCheck) page(h *format.PageHeader, page []byte) error {
	switch {
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		return p.dictionary(h, page)
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		return p.dataV1(h, page)
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		return p.dataV2(h, page)
	default:
		return errDamaged
	}
}

func (p pageCheck) dictionary(h *format.PageHeader, page []byte) error {
	d := h.DictionaryPageHeader.V
	if d.Encoding != format.Plain && d.Encoding != format.PlainDictionary { //nolint:staticcheck // old writers use the old name
		return fmt.Errorf("has a dictionary in the encoding %s; only PLAIN is read", d.Encoding)
	}
	// A value of a dictionary has four bytes at least.
	if d.NumValues < 0 || int64(d.NumValues)*4 > int64(h.UncompressedPageSize) {
		return errDamaged
	}
	data, err := p.unpack(page, int(h.UncompressedPageSize))
	if err != nil {
		return err
	}
	return p.values(format.Plain, data, int(d.NumValues))
}

func (p pageCheck) dataV1(h *format.PageHeader, page []byte) error {
	d := h.DataPageHeader.V
	if err := valuesFit(d.NumValues); err != nil {
		return err
	}
	data, err := p.unpack(page, int(h.UncompressedPageSize))
	if err != nil {
		return err
	}
	values := int(d.NumValues)
	if p.optional {
		if d.DefinitionLevelEncoding != format.RLE {
			return fmt.Errorf("has levels in the encoding %s; only RLE is read", d.DefinitionLevelEncoding)
		}
		levels, rest, ok := prefixed(data)
		if !ok {
			return errDamaged
		}
		if values, err = checkRuns(levels, 1, values); err != nil {
			return err
		}
		data = rest
	}
	return p.values(d.Encoding, data, values)
}

func (p pageCheck) dataV2(h *format.PageHeader, page []byte) error {
	d := h.DataPageHeaderV2.V
	if err := valuesFit(d.NumValues); err != nil {
		return err
	}
	repeats, levels := int64(d.RepetitionLevelsByteLength), int64(d.DefinitionLevelsByteLength)
	if repeats != 0 || levels < 0 || levels > int64(len(page)) || levels > int64(h.UncompressedPageSize) || d.NumNulls < 0 || d.NumNulls > d.NumValues {
		return errDamaged
	}
	values := int(d.NumValues)
	if p.optional {
		var err error
		if values, err = checkRuns(page[:levels], 1, values); err != nil {
			return err
		}
	}
	if values != int(d.NumValues-d.NumNulls) {
		return errDamaged
	}
	data := page[levels:]
	if !d.IsCompressed.Valid || d.IsCompressed.V {
		var err error
		if data, err = p.unpack(data, int(int64(h.UncompressedPageSize)-levels)); err != nil {
			return err
		}
	}
	return p.values(d.Encoding, data, values)
}

func valuesFit(n int32) error {
	if n < 0 {
		return errDamaged
	}
	if n > maxPageValues {
		return fmt.Errorf("has a page of %d values; at most %d are read", n, maxPageValues)
	}
	return nil
}

// values looks into the encodings that a page may have; n is how many values
// there are besides nulls.
func (p pageCheck) values(encoding format.Encoding, data []byte, n int) error {
	switch encoding {
	case format.Plain:
		if !p.texts {
			return nil // the library compares sizes
		}
		for ; n > 0; n-- {
			_, rest, ok := prefixed(data)
			if !ok {
				return errDamaged
			}
			data = rest
		}
		if len(data) > 0 {
			return errDamaged
		}
		return nil
	case format.PlainDictionary, format.RLEDictionary: //nolint:staticcheck // old writers use the old name
		if len(data) == 0 && n == 0 {
			return nil // a page of nulls
		}
		if len(data) == 0 || data[0] > 32 {
			return errDamaged
		}
		_, err := checkRuns(data[1:], int(data[0]), n)
		return err
	case format.RLE: // truth values
		runs, _, ok := prefixed(data)
		if !ok || p.texts {
			return errDamaged
		}
		_, err := checkRuns(runs, 1, n)
		return err
	default:
		return fmt.Errorf("has the encoding %s; PLAIN and RLE_DICTIONARY are read, so write the file again with those", encoding)
	}
}

// prefixed splits bytes behind their length in four bytes.
func prefixed(data []byte) (head, rest []byte, ok bool) {
	if len(data) < 4 {
		return nil, nil, false
	}
	n := int64(binary.LittleEndian.Uint32(data))
	if n > int64(len(data)-4) {
		return nil, nil, false
	}
	return data[4 : 4+n], data[4+n:], true
}

// runSlack is how many values runs may have beyond those of the page: the last
// group of bit-packed values is filled up.
const runSlack = 512

// checkRuns adds up the runs of the RLE and bit-packing hybrid, which must have
// all values. Of values of one bit it counts those that are set.
func checkRuns(data []byte, width, values int) (set int, err error) {
	total := 0
	for len(data) > 0 {
		head, n := binary.Uvarint(data)
		if n <= 0 || head>>1 > maxPageValues {
			return 0, errDamaged
		}
		data = data[n:]
		count, size := int(head>>1), (width+7)/8
		packed := head&1 == 1
		if packed {
			count, size = count*8, count*width
		}
		if size > len(data) || total+count > values+runSlack {
			return 0, errDamaged
		}
		if width == 1 {
			set += bitsSet(data[:size], packed, min(count, max(values-total, 0)))
		}
		total += count
		data = data[size:]
	}
	if total < values {
		return 0, errDamaged
	}
	return set, nil
}

// bitsSet counts the set ones of a run's first values, each of one bit.
func bitsSet(run []byte, packed bool, values int) (set int) {
	if !packed {
		if len(run) > 0 && run[0] == 1 {
			return values
		}
		return 0
	}
	for i := range values {
		set += int(run[i/8] >> (i % 8) & 1)
	}
	return set
}

// unpacker returns what unpacks the pages of a codec. It gives exactly as many
// bytes as it is told or an error, and never holds more.
func unpacker(codec format.CompressionCodec) (func(data []byte, size int) ([]byte, error), error) {
	switch codec {
	case format.Uncompressed:
		return exact(func(data []byte) (io.Reader, error) { return bytes.NewReader(data), nil }), nil
	case format.Gzip:
		return exact(func(data []byte) (io.Reader, error) { return gzip.NewReader(bytes.NewReader(data)) }), nil
	case format.Snappy:
		return unsnap, nil
	case format.Zstd:
		return exact(func(data []byte) (io.Reader, error) {
			d, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*maxPageBytes), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, err
			}
			return d.IOReadCloser(), nil
		}), nil
	default:
		return nil, fmt.Errorf("is compressed with %s; uncompressed, SNAPPY, GZIP and ZSTD are read, so write the file again with one of those", codec)
	}
}

func exact(open func(data []byte) (io.Reader, error)) func(data []byte, size int) ([]byte, error) {
	return func(data []byte, size int) ([]byte, error) {
		if len(data) == 0 && size == 0 {
			return nil, nil // nothing need not be packed
		}
		r, err := open(data)
		if err != nil {
			return nil, errDamaged
		}
		if c, ok := r.(io.Closer); ok {
			defer c.Close() //nolint:errcheck // only read from
		}
		out := make([]byte, size)
		if _, err := io.ReadFull(r, out); err != nil {
			return nil, errDamaged
		}
		var more [1]byte
		if _, err := io.ReadFull(r, more[:]); !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("has a page that expands beyond the %d bytes that it claims", size)
		}
		return out, nil
	}
}

func unsnap(data []byte, size int) ([]byte, error) {
	if len(data) == 0 && size == 0 {
		return nil, nil
	}
	n, err := snappy.DecodedLen(data)
	if err != nil {
		return nil, errDamaged
	}
	if n != size {
		return nil, fmt.Errorf("has a page that expands beyond the %d bytes that it claims", size)
	}
	out, err := snappy.Decode(nil, data)
	if err != nil {
		return nil, errDamaged
	}
	return out, nil
}
