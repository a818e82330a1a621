package queryimport

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// maxKeys bounds the names that are remembered to say which ones there are.
const maxKeys = 1000

type jsonlSource struct {
	lines   *bufio.Reader
	columns [parts]string
	line    int
	buffer  []byte
	// seen are the names of fields so far.
	seen map[string]bool
}

func (s *jsonlSource) next() (row, error) {
	for {
		line, long, err := s.readLine()
		if err != nil {
			return row{}, err
		}
		s.line++
		r := row{number: s.line}
		if long {
			r.broken = "a line of more than 1 MiB"
			return r, nil
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if !s.object(line, &r) {
			r.cells, r.broken = [parts]cell{}, "a line that is not one JSON object, or has a field twice"
		}
		return r, nil
	}
}

// readLine returns a line without its end. Of a line that is too long nothing is
// kept. The last line may lack its end.
func (s *jsonlSource) readLine() (line []byte, long bool, err error) {
	s.buffer = s.buffer[:0]
	for {
		piece, err := s.lines.ReadSlice('\n')
		if len(s.buffer)+len(piece) > MaxRecordBytes {
			long, s.buffer = true, s.buffer[:0]
		}
		if !long {
			s.buffer = append(s.buffer, piece...)
		}
		switch {
		case err == nil:
			return s.buffer, long, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (long || len(s.buffer) > 0):
			return s.buffer, long, nil
		default:
			return nil, false, err
		}
	}
}

// object reads the columns that are wanted out of a line, and reports whether it
// is one object with each of them at most once.
func (s *jsonlSource) object(line []byte, r *row) bool {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	var found [parts]bool
	for dec.More() {
		t, err := dec.Token()
		name, isName := t.(string)
		var value json.RawMessage
		if err != nil || !isName || dec.Decode(&value) != nil {
			return false
		}
		if len(s.seen) < maxKeys {
			s.seen[name] = true
		}
		for part, column := range s.columns {
			if column == "" || column != name {
				continue
			}
			if found[part] {
				return false
			}
			found[part], r.cells[part] = true, jsonCell(value)
		}
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('}') {
		return false
	}
	_, err := dec.Token()
	return errors.Is(err, io.EOF)
}

func jsonCell(value json.RawMessage) cell {
	var v any
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return cell{notText: true}
	}
	switch v := v.(type) {
	case nil:
		return cell{}
	case string:
		return cell{text: v}
	case bool:
		if v {
			return cell{text: "true"}
		}
		return cell{text: "false"}
	case json.Number:
		return cell{text: v.String()}
	default:
		return cell{notText: true}
	}
}

// nothing says which of the columns no line has, if there is such a one.
func (s *jsonlSource) nothing(r Report) error {
	if len(s.seen) > 0 && len(s.seen) < maxKeys {
		for _, column := range s.columns {
			if column != "" && !s.seen[column] {
				var known []string
				for name := range s.seen {
					known = append(known, name)
				}
				return missing(column, known)
			}
		}
	}
	return nothing(r)
}

func (s *jsonlSource) close() {}
