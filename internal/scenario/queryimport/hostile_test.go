package queryimport

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// memory fails a test that allocates more than most bytes in all.
func memory(t *testing.T, most uint64, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, most, "bytes allocated")
}

// chunk is a column of one page with the header given.
func chunk(t *testing.T, h format.PageHeader, page []byte, codec format.CompressionCodec) ([]byte, *format.ColumnMetaData) {
	t.Helper()
	h.CompressedPageSize = int32(len(page)) //nolint:gosec // small
	head, err := thrift.Marshal(&thrift.CompactProtocol{}, &h)
	require.NoError(t, err)
	data := append(append([]byte("PAR1"), head...), page...)
	return data, &format.ColumnMetaData{Codec: codec, DataPageOffset: 4, TotalCompressedSize: int64(len(data) - 4)}
}

func dataPage(values int32, encoding format.Encoding, uncompressed int32) format.PageHeader {
	h := format.PageHeader{Type: format.DataPage, UncompressedPageSize: uncompressed}
	h.DataPageHeader.Valid = true
	h.DataPageHeader.V = format.DataPageHeader{NumValues: values, Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE}
	return h
}

func gzipped(t *testing.T, zeros int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	require.NoError(t, err)
	for block := make([]byte, 1<<20); zeros > 0; zeros -= len(block) {
		_, err := w.Write(block)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestPagesThatExpandAreRefused(t *testing.T) {
	bomb := gzipped(t, 128<<20)
	enc, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	zbomb := enc.EncodeAll(make([]byte, 128<<20), nil)
	run := func(n uint64) []byte { return append(binary.AppendUvarint(nil, n<<1), 1) }
	dict := func(n uint64) []byte { return append([]byte{8}, run(n)...) }
	v2 := format.PageHeader{Type: format.DataPageV2, UncompressedPageSize: 10}
	v2.DataPageHeaderV2.Valid = true
	v2.DataPageHeaderV2.V = format.DataPageHeaderV2{NumValues: 3, DefinitionLevelsByteLength: 1 << 30, Encoding: format.Plain}
	big := dataPage(1, format.Plain, 1<<30)
	for name, tt := range map[string]struct {
		header   format.PageHeader
		page     []byte
		codec    format.CompressionCodec
		optional bool
		says     string
	}{
		"gzip beyond its claim":             {dataPage(1, format.Plain, 100), bomb, format.Gzip, false, "expands beyond the 100 bytes"},
		"zstd beyond its claim":             {dataPage(1, format.Plain, 100), zbomb, format.Zstd, false, "expands beyond the 100 bytes"},
		"snappy beyond its claim":           {dataPage(1, format.Plain, 100), binary.AppendUvarint(nil, 1<<31), format.Snappy, false, "expands beyond the 100 bytes"},
		"a claim beyond the limit":          {big, bomb, format.Gzip, false, "more than 33554432 bytes"},
		"less than claimed":                 {dataPage(1, format.Plain, 100), gzipped(t, 0), format.Gzip, false, "damaged"},
		"plain with another size":           {dataPage(1, format.Plain, 100), []byte("abc"), format.Uncompressed, false, "damaged"},
		"a run of more values than claimed": {dataPage(3, format.RLEDictionary, 7), dict(1 << 31), format.Uncompressed, false, "damaged"},
		"runs that add up":                  {dataPage(3, format.RLEDictionary, 1+3*400), append([]byte{8}, bytes.Repeat(run(200), 400)...), format.Uncompressed, false, "damaged"},
		"groups of no width":                {dataPage(3, format.RLEDictionary, 6), append([]byte{0}, binary.AppendUvarint(nil, 1<<31|1)...), format.Uncompressed, false, "damaged"},
		"levels of more values":             {dataPage(3, format.Plain, 10), append([]byte{6, 0, 0, 0}, run(1<<30)...), format.Uncompressed, true, "damaged"},
		"more values than a page may have":  {dataPage(1<<30, format.Plain, 0), nil, format.Uncompressed, false, "values"},
		"a prefix encoding":                 {dataPage(3, format.DeltaByteArray, 0), nil, format.Uncompressed, false, "DELTA_BYTE_ARRAY"},
		"levels beyond the page":            {v2, []byte("0123456789"), format.Uncompressed, true, "damaged"},
		"a codec that is not checked":       {dataPage(1, format.Plain, 1), []byte("x"), format.Brotli, false, "BROTLI"},
		"no header of its type":             {format.PageHeader{Type: format.DictionaryPage}, nil, format.Uncompressed, false, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			data, meta := chunk(t, tt.header, tt.page, tt.codec)
			memory(t, 40<<20, func() {
				require.ErrorContains(t, checkChunk(bytes.NewReader(data), int64(len(data)), meta, tt.optional, true), tt.says)
			})
		})
	}
	good, meta := chunk(t, dataPage(1, format.Plain, 3<<20), gzipped(t, 3<<20), format.Gzip)
	require.NoError(t, checkChunk(bytes.NewReader(good), int64(len(good)), meta, false, false))
	meta.TotalCompressedSize = 1 << 50
	require.ErrorIs(t, checkChunk(bytes.NewReader(good), int64(len(good)), meta, false, false), errDamaged)
}

func TestMetadataThatClaimsTooMuchIsRefused(t *testing.T) {
	list := func(n uint64) []byte { return binary.AppendUvarint([]byte{0x49, 0xfc}, n) } // field 4, a list of structures
	var deep []byte
	for range 5000 {
		deep = append(deep, 0x1c)
	}
	for name, footer := range map[string][]byte{
		"a list of billions":   list(1 << 31),
		"a text of gigabytes":  binary.AppendUvarint([]byte{0x68}, 1<<40),
		"a million of nothing": append(list(2_000_000), make([]byte, 2_000_001)...),
		"a map of billions":    append(binary.AppendUvarint([]byte{0x1b}, 1<<31), 0x88),
		"deep":                 deep,
		"empty":                {0},
		"no end":               {0x15},
	} {
		t.Run(name, func(t *testing.T) {
			data := append([]byte("PAR1"), footer...)
			data = binary.LittleEndian.AppendUint32(data, uint32(len(footer))) //nolint:gosec // small
			data = append(data, "PAR1"...)
			memory(t, 40<<20, func() {
				_, err := Import(t.Context(), Input{At: bytes.NewReader(data), Size: int64(len(data))}, Options{Format: Parquet, Columns: Columns{Text: "prompt"}})
				var broken *Error
				require.ErrorAs(t, err, &broken)
			})
		})
	}
}

func TestThriftStructuresAreMeasured(t *testing.T) {
	data, err := os.ReadFile("testdata/snappy.parquet")
	require.NoError(t, err)
	size := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	footer := data[len(data)-8-size : len(data)-8]
	n, err := thriftSize(append(append([]byte(nil), footer...), 1, 2, 3))
	require.NoError(t, err)
	require.Equal(t, size, n)
	for cut := range footer {
		_, err := thriftSize(footer[:cut])
		require.ErrorIs(t, err, errThrift, "cut at %d", cut)
	}
}

// The same rows give the same queries as JSON lines and as Parquet, in every
// form of it that is read.
func TestParquetIsReadAsJSONIs(t *testing.T) {
	type line struct {
		Prompt *string `parquet:"prompt,optional" json:"prompt"`
		Kind   string  `parquet:"kind,dict" json:"kind"`
		Benign bool    `parquet:"benign" json:"benign"`
		N      int64   `parquet:"n" json:"n"`
	}
	codecs := []compress.Codec{&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Zstd}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`([a-e]{1,3} ){0,12}`))
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) line {
			return line{rapid.Ptr(text, true).Draw(t, "prompt"), rapid.StringMatching(`[a-zA-Z ]{0,5}`).Draw(t, "kind"), rapid.Bool().Draw(t, "benign"), rapid.Int64Range(0, 40).Draw(t, "n")}
		}), 1, 60).Draw(t, "rows")
		var asJSON, asParquet bytes.Buffer
		enc := json.NewEncoder(&asJSON)
		w := parquet.NewGenericWriter[line](&asParquet, parquet.Compression(rapid.SampledFrom(codecs).Draw(t, "codec")),
			parquet.DataPageVersion(rapid.IntRange(1, 2).Draw(t, "version")), parquet.PageBufferSize(rapid.IntRange(64, 4096).Draw(t, "page")),
			parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain), parquet.DefaultEncodingFor(parquet.Int64, &parquet.Plain))
		for i, r := range rows {
			require.NoError(t, enc.Encode(r))
			_, err := w.Write([]line{r})
			require.NoError(t, err)
			if i%17 == 16 {
				require.NoError(t, w.Flush(), "a new row group")
			}
		}
		require.NoError(t, w.Close())
		o := Options{Columns: Columns{Text: "prompt", Category: "kind", Control: "benign", ID: "n"}}
		o.Format = JSONL
		want, wantErr := Import(t.Context(), Input{Reader: &asJSON}, o)
		o.Format = Parquet
		got, err := Import(t.Context(), Input{At: bytes.NewReader(asParquet.Bytes()), Size: int64(asParquet.Len())}, o)
		require.Equal(t, wantErr == nil, err == nil, "%v, %v", wantErr, err)
		require.Equal(t, want, got)
	})
}

// A damaged file ends in an error or in rows, and never otherwise.
func TestDamagedParquet(t *testing.T) {
	for _, name := range []string{"snappy", "none-plain", "zstd-v2", "gzip-groups"} {
		data, err := os.ReadFile("testdata/" + name + ".parquet")
		require.NoError(t, err)
		for at := range data {
			damaged := bytes.Clone(data)
			damaged[at] ^= []byte{0x01, 0x80, 0xff, 0x10}[at%4]
			_, err := Import(t.Context(), Input{At: bytes.NewReader(damaged), Size: int64(len(damaged))}, Options{Format: Parquet, Columns: Columns{Text: "prompt", Category: "kind", Control: "benign"}})
			var broken *Error
			require.True(t, err == nil || errors.As(err, &broken), "byte %d of %s: %v", at, name, err)
		}
	}
}
