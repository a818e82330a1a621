// Package record keeps the traffic with models in a file, and answers from it as a
// model: for tests, for demonstrations, and so that others can check a result
// without the model.
//
// A recording is JSON Lines, one exchange a line:
//
//	{"version":1,"model":"NAME","model_digest":"sha256:...","sample":"ID","time":"...",
//	 "request":{"messages":[...],"sampling":{...},"seed":7,"response_schema":{...}},
//	 "reply":{"raw":"...","latency_ns":1,...}}
//
// or "error" in the place of "reply". It holds what was asked and answered, word for
// word, and no credentials, for no request has any. Text that is not UTF-8 stands as
// {"base64":"..."}.
//
// Lines are written whole, each by one write at the end of the file, so that what
// ends the process cuts at most the last one. Such a cut line is not an error when
// it is read, and is taken off when the file is written on; a broken line anywhere
// else is an error.
package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
)

// File is a recording that is being written. It is safe for concurrent use; one
// process at a time writes to a file.
type File struct {
	now func() time.Time

	mu  sync.Mutex
	f   *os.File
	err error
}

// Open opens a recording to write on, and makes it if need be, for the user alone.
// What is there must be a recording; a last line that was cut is taken off.
func Open(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open the recording: %w", err)
	}
	end, err := wholeLines(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the recording: %w", err), f.Close())
	}
	return &File{f: f, now: time.Now}, nil
}

// wholeLines checks the first line of a file and returns where its last line ends.
func wholeLines(f *os.File) (end int64, err error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is not a regular file", info.Name())
	}
	first := true
	err = eachLine(f, func(line []byte, whole bool) error {
		if !whole {
			if first && !bytes.HasPrefix(line, []byte(lineStart)) {
				return errNoRecording
			}
			return nil
		}
		if first {
			if _, err := decodeLine(line); err != nil {
				return errNoRecording
			}
		}
		first = false
		end += int64(len(line)) + 1
		return nil
	})
	return end, err
}

// errNoRecording keeps a typing error from cutting a file of another kind.
var errNoRecording = errors.New("there is a file that is no recording")

// Close writes what the system holds back to the disk, and closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return nil
	}
	err := errors.Join(f.f.Sync(), f.f.Close())
	f.f = nil
	return err
}

// append writes one line. After a failed write the file takes no more, because a
// part of a line may stand at its end.
func (f *File) append(line []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.err != nil:
		return f.err
	case f.f == nil:
		return os.ErrClosed
	}
	if _, err := f.f.Write(line); err != nil {
		f.err = err
		return err
	}
	return nil
}

// Recorder is a model whose exchanges are kept.
type Recorder struct {
	inner        model.Model
	file         *File
	name, digest string
}

var _ model.Model = (*Recorder)(nil)

// Model returns inner, recorded under a name. identity says what stands behind the
// name; a digest of it goes into the file.
func (f *File) Model(inner model.Model, name, identity string) *Recorder {
	sum := sha256.Sum256([]byte(identity))
	return &Recorder{inner: inner, file: f, name: name, digest: "sha256:" + hex.EncodeToString(sum[:])}
}

// Check tells what the model cannot be asked, where it can tell.
func (r *Recorder) Check(req model.Request) error {
	if c, ok := r.inner.(interface{ Check(req model.Request) error }); ok {
		return c.Check(req)
	}
	return nil
}

// Generate implements model.Model. An exchange that its caller gave up is not kept.
// One that cannot be kept is a failure that ends the run: a recording with holes
// that nobody knows of is worth nothing.
func (r *Recorder) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	reply, err := r.inner.Generate(ctx, req)
	var failure *model.Error
	if err != nil && !errors.As(err, &failure) {
		return reply, err
	}
	line, encodeErr := encodeLine(exchange{
		name: r.name, digest: r.digest, time: r.file.now(), request: req, reply: reply, failure: failure,
	})
	if encodeErr == nil {
		encodeErr = r.file.append(line)
	}
	if encodeErr != nil {
		return model.Reply{}, &model.Error{
			Class: model.ClassUnavailable, Final: true, Attempts: 1, Err: encodeErr,
			Message: "the recording cannot be written" + because(encodeErr),
		}
	}
	return reply, err
}

// because names a cause in the words of the system, which hold no path.
func because(err error) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		return ": " + no.Error()
	}
	return ""
}

// maxLine bounds a line that is read: a reply of 32 MiB, escaped, with its prompt.
const maxLine = 256 << 20

// ErrLineTooLong is wrapped by the error of a line beyond 256 MiB.
var ErrLineTooLong = errors.New("the line is longer than 268435456 bytes")

// eachLine calls fn for each line without its end; the last one is not whole when
// it has none.
func eachLine(r io.Reader, fn func(line []byte, whole bool) error) error {
	var line []byte
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			part, after, found := bytes.Cut(rest, []byte{'\n'})
			if len(line)+len(part) > maxLine {
				return ErrLineTooLong
			}
			line = append(line, part...)
			rest = after
			if found {
				if err := fn(line, true); err != nil {
					return err
				}
				line = line[:0]
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if len(line) > 0 {
				return fn(line, false)
			}
			return nil
		case err != nil:
			return err
		}
	}
}

// digestOf tells equal requests from others. Compact JSON with a fixed order of
// fields is the same for equal requests on both sides of a file.
func digestOf(req model.Request) ([sha256.Size]byte, error) {
	w, err := toWire(req)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	text, err := json.Marshal(w)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(text), nil
}
