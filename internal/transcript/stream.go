package transcript

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	// MaxLine is the longest line that StreamParse reads, in bytes, without
	// its line end.
	MaxLine = 64 << 20
	// keptLine is the size from which a line's buffer is given back after use.
	keptLine = 1 << 20
	// keptHead is how much of a line that is too long is kept to find its id.
	keptHead = 4 << 10
)

// StreamParse reads replies as JSON Lines from r (see ParseLine) and writes one
// line to w for each, in order: the parsed reply, or {"id", "error"} for a line
// that is broken, blank or longer than MaxLine. It holds one line at a time and
// flushes whenever the input pauses. A byte order mark at the start is skipped.
//
// It returns nil at the end of the input, the context's error if that ends
// first (it is asked between lines; a read that blocks is not interrupted), or
// the error of reading or writing, wrapped.
func StreamParse(ctx context.Context, r io.Reader, w io.Writer) error {
	return streamLines(ctx, r, w, MaxLine)
}

func streamLines(ctx context.Context, r io.Reader, w io.Writer, limit int) error {
	in := lineReader{in: bufio.NewReaderSize(r, 64<<10), limit: limit}
	out := bufio.NewWriterSize(w, 64<<10)
	err := in.skipMark()
	for err == nil {
		if err = ctx.Err(); err != nil {
			break
		}
		var line []byte
		if line, err = in.next(); err != nil {
			break
		}
		if err = answer(out, line, in.tooLong, limit); err != nil {
			break
		}
		if in.in.Buffered() == 0 {
			err = out.Flush()
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if flushErr := out.Flush(); err == nil && flushErr != nil {
		err = flushErr
	}
	if err != nil {
		return fmt.Errorf("parse lines: line %d: %w", in.count, err)
	}
	return nil
}

// answer writes the line that answers one input line.
func answer(out *bufio.Writer, line []byte, tooLong bool, limit int) error {
	var reply []byte
	var err error
	if tooLong {
		err = &LineError{ID: findID(line), Reason: fmt.Sprintf("the line is longer than %d bytes", limit)}
	} else {
		reply, err = ParseLine(line)
	}
	var bad *LineError
	switch {
	case errors.As(err, &bad):
		reply = errorLine(bad)
	case err != nil:
		return err
	}
	if _, err := out.Write(reply); err != nil {
		return err
	}
	return out.WriteByte('\n')
}

// lineReader splits input into lines of bounded length.
type lineReader struct {
	in      *bufio.Reader
	limit   int
	buf     []byte
	count   int  // lines begun
	tooLong bool // the last line was; only its head was kept
}

// skipMark skips a byte order mark at the start of the input.
func (r *lineReader) skipMark() error {
	head, err := r.in.Peek(len(byteOrderMark))
	if string(head) == byteOrderMark {
		_, err = r.in.Discard(len(byteOrderMark))
		return err
	}
	if len(head) > 0 && errors.Is(err, io.EOF) {
		return nil // a short input
	}
	return err
}

// next returns the next line without its line end, valid until the next call.
// At the end of the input it returns io.EOF; a last line may lack its end.
func (r *lineReader) next() ([]byte, error) {
	if cap(r.buf) > keptLine {
		r.buf = nil
	}
	r.buf, r.tooLong = r.buf[:0], false
	r.count++
	for begun := false; ; begun = true {
		chunk, err := r.in.ReadSlice('\n')
		whole := err == nil
		if whole {
			chunk = chunk[:len(chunk)-1]
		}
		r.keep(chunk)
		switch {
		case whole:
			return bytes.TrimSuffix(r.buf, []byte("\r")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (len(chunk) > 0 || begun):
			return r.buf, nil
		default:
			return nil, err
		}
	}
}

// keep adds a chunk to the line, or drops it if the line is too long.
func (r *lineReader) keep(chunk []byte) {
	switch {
	case r.tooLong:
	case len(r.buf)+len(chunk) > r.limit:
		r.buf = append(r.buf[:min(len(r.buf), keptHead)], chunk[:min(len(chunk), max(0, keptHead-len(r.buf)))]...)
		r.tooLong = true
	default:
		r.buf = append(r.buf, chunk...)
	}
}
