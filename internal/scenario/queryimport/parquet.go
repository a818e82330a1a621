package queryimport

import (
	"errors"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Bounds of a Parquet file. They lie far above what a data set of prompts has.
const (
	maxFooterBytes = 8 << 20
	maxParquetRows = 10_000_000
	maxPageBytes   = 32 << 20
	// maxPageValues bounds the values of one page, which cost memory even where
	// they cost no bytes.
	maxPageValues = 4 << 20
	maxHeader     = 64 << 10
)

// parquetSource reads the columns that are wanted, row group by row group. The
// library trusts what a file says of itself, so every page is checked before it
// is let near (see checkChunk).
type parquetSource struct {
	at      io.ReaderAt
	size    int64
	file    *parquet.File
	meta    *format.FileMetaData
	columns [parts]*parquet.Column
	group   int
	left    int64
	readers [parts]*columnReader
	row     int
}

func openParquet(in Input, o Options) (_ source, err error) {
	defer recovered(&err)
	meta, err := checkFooter(in)
	if err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(in.At, in.Size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fail(0, "the file is not a readable Parquet file")
	}
	s := &parquetSource{at: in.At, size: in.Size, file: f, meta: meta}
	for part, name := range o.Columns.names() {
		if name == "" {
			continue
		}
		column := f.Root().Column(name)
		if column == nil {
			var known []string
			for _, c := range f.Root().Columns() {
				known = append(known, c.Name())
			}
			return nil, missing(name, known)
		}
		if !column.Leaf() || column.Repeated() {
			return nil, fail(0, "the column %s holds lists or groups; a text is needed", quoted(name))
		}
		switch kind := column.Type().Kind(); {
		case kind == parquet.ByteArray:
		case part != partText && (kind == parquet.Boolean || kind == parquet.Int32 || kind == parquet.Int64):
		default:
			return nil, fail(0, "the column %s holds values of the kind %s; a text is needed", quoted(name), kind)
		}
		s.columns[part] = column
	}
	return s, nil
}

// recovered turns a panic of the library into an error: what its decoders make
// of a damaged page is not all caught by checks.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fail(0, "the Parquet file is damaged")
	}
}

func (s *parquetSource) next() (r row, err error) {
	defer recovered(&err)
	for s.left == 0 {
		if s.group == len(s.file.RowGroups()) {
			return row{}, io.EOF
		}
		if err := s.enter(s.group); err != nil {
			return row{}, err
		}
		s.group++
	}
	s.left--
	s.row++
	r = row{number: s.row}
	for part, reader := range s.readers {
		if reader == nil {
			continue
		}
		if r.cells[part].text, err = reader.next(); err != nil {
			return row{}, fail(s.row, "the column %s cannot be read: it is damaged, or has fewer values than there are rows", quoted(s.columns[part].Name()))
		}
	}
	return r, nil
}

// enter checks a row group's columns, and begins to read them.
func (s *parquetSource) enter(group int) error {
	s.close()
	g := s.file.RowGroups()[group]
	for part, column := range s.columns {
		if column == nil {
			continue
		}
		meta := &s.meta.RowGroups[group].Columns[column.Index()].MetaData
		if err := checkChunk(s.at, s.size, meta, column.Optional(), column.Type().Kind() == parquet.ByteArray); err != nil {
			return fail(0, "the column %s of row group %d %v", quoted(column.Name()), group+1, err)
		}
		s.readers[part] = &columnReader{pages: g.ColumnChunks()[column.Index()].Pages()}
	}
	s.left = g.NumRows()
	return nil
}

func (s *parquetSource) nothing(r Report) error { return nothing(r) }

func (s *parquetSource) close() {
	for part, reader := range s.readers {
		if reader != nil {
			reader.close()
			s.readers[part] = nil
		}
	}
}

// columnReader reads the values of one column of a row group.
type columnReader struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buffer [64]parquet.Value
	have   []parquet.Value
}

func (c *columnReader) next() (string, error) {
	for len(c.have) == 0 {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return "", err
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buffer[:])
		c.have = c.buffer[:n]
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if n == 0 {
			parquet.Release(c.page)
			c.page, c.values = nil, nil
		}
	}
	v := c.have[0]
	c.have = c.have[1:]
	switch v.Kind() {
	case parquet.ByteArray:
		return string(v.ByteArray()), nil
	case parquet.Boolean, parquet.Int32, parquet.Int64:
		return v.String(), nil
	default: // null
		return "", nil
	}
}

func (c *columnReader) close() {
	if c.page != nil {
		parquet.Release(c.page)
	}
	_ = c.pages.Close() // it was only read from
}

// checkFooter reads a file's metadata, so that the library finds nothing in it
// that makes it allocate without bound.
func checkFooter(in Input) (*format.FileMetaData, error) {
	if in.At == nil {
		return nil, fail(0, "a Parquet file is read at several places, so it cannot come from standard input")
	}
	var ends [12]byte
	if in.Size < int64(len(ends)) {
		return nil, fail(0, "the file is not a Parquet file")
	}
	if _, err := in.At.ReadAt(ends[:4], 0); err != nil {
		return nil, err
	}
	if _, err := in.At.ReadAt(ends[4:], in.Size-8); err != nil {
		return nil, err
	}
	switch magic := string(ends[:4]) + string(ends[8:]); {
	case magic == "PAR1PAR1":
	case slices.Contains([]string{"PAREPARE", "PAR1PARE", "PAREPAR1"}, magic):
		return nil, fail(0, "the Parquet file is encrypted")
	default:
		return nil, fail(0, "the file is not a Parquet file")
	}
	size := int64(ends[4]) | int64(ends[5])<<8 | int64(ends[6])<<16 | int64(ends[7])<<24
	if size > in.Size-12 || size > maxFooterBytes {
		return nil, fail(0, "the Parquet file's metadata has %d bytes; at most %d, and no more than the file has, are read", size, maxFooterBytes)
	}
	footer := make([]byte, size)
	if _, err := in.At.ReadAt(footer, in.Size-8-size); err != nil {
		return nil, err
	}
	n, err := thriftSize(footer)
	if err != nil {
		return nil, fail(0, "the Parquet file's metadata %v", err)
	}
	meta := &format.FileMetaData{}
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, footer[:n], meta); err != nil {
		return nil, fail(0, "the Parquet file's metadata is damaged")
	}
	return meta, checkMetadata(meta)
}

// checkMetadata compares the numbers of the metadata with each other.
func checkMetadata(meta *format.FileMetaData) error {
	children, leaves := 0, 0
	for _, e := range meta.Schema {
		n := 0
		if e.NumChildren.Valid {
			n = int(e.NumChildren.V)
		}
		if n < 0 || n > len(meta.Schema) {
			return fail(0, "the Parquet file's schema is damaged")
		}
		if n == 0 {
			leaves++
		}
		children += n
	}
	if len(meta.Schema) == 0 || children != len(meta.Schema)-1 || len(meta.Schema) > MaxColumns {
		return fail(0, "the Parquet file's schema is damaged, or has more than %d columns", MaxColumns)
	}
	var rows int64
	for i, g := range meta.RowGroups {
		if len(g.Columns) != leaves || g.NumRows < 0 || g.NumRows > maxParquetRows {
			return fail(0, "row group %d of the Parquet file is damaged, or has more than %d rows", i+1, maxParquetRows)
		}
		rows += g.NumRows
	}
	if rows > maxParquetRows {
		return fail(0, "the Parquet file has %d rows; at most %d are read", rows, maxParquetRows)
	}
	return nil
}

// errDamaged says that a column is not what it claims to be.
var errDamaged = errors.New("is damaged")
