// Package page makes the tokens that lead from one page of a list to the next.
//
// A token carries the cursor of the store and a hash of everything else that
// was asked: the method, the project and every field of the request but
// page_size and page_token. A token that is sent with other arguments, or by
// another project, is refused instead of quietly listing something else. The
// hash keeps honest clients from mistakes; it is no secret. A forged token
// reaches nothing that its sender could not list anyway, because the cursor
// only says where to go on and the project comes from the caller.
package page

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/unmask-eval/unmask/internal/run"
)

// Sizes of a page.
const (
	// DefaultSize is used when a request names none.
	DefaultSize = 50
	// MaxSize is the most that a page holds; larger requests get this.
	MaxSize = 1000
)

const (
	version  = 1
	bindSize = 12
	// MaxTokenBytes bounds a token; cursors are far shorter.
	MaxTokenBytes = 1024
)

var encoding = base64.RawURLEncoding.Strict()

// Request is a request for a page. Its other fields are scalars.
type Request interface {
	proto.Message
	GetPageSize() int32
	GetPageToken() string
}

// Read returns what a request asks of the store. The error is a
// *run.InvalidError on page_token.
func Read(project string, req Request) (run.Page, error) {
	p := run.Page{Size: size(req.GetPageSize())}
	token := req.GetPageToken()
	if token == "" {
		return p, nil
	}
	raw, err := encoding.DecodeString(token)
	if err != nil || len(raw) <= 1+bindSize || raw[0] != version {
		return run.Page{}, run.Invalid("page_token", "is not a token that this server made")
	}
	if subtle.ConstantTimeCompare(raw[1:1+bindSize], bind(project, req)) != 1 {
		return run.Page{}, run.Invalid("page_token", "belongs to another request: all fields but page_size must be the same as when the token was made")
	}
	p.After = string(raw[1+bindSize:])
	return p, nil
}

// Token returns the token that leads on from a cursor of the store, or "" for
// the cursor "" of the last page.
func Token(project string, req Request, next string) string {
	if next == "" {
		return ""
	}
	raw := append([]byte{version}, bind(project, req)...)
	return encoding.EncodeToString(append(raw, next...))
}

// Slice returns the page of a list that is in memory. Keys ascend and are
// unique; the cursor is the key of the last item returned.
func Slice[T any](items []T, p run.Page, key func(T) string) (part []T, next string) {
	for _, item := range items {
		if p.After != "" && key(item) <= p.After {
			continue
		}
		if len(part) == p.Size {
			return part, key(part[len(part)-1])
		}
		part = append(part, item)
	}
	return part, ""
}

func size(asked int32) int {
	if asked <= 0 {
		return DefaultSize
	}
	return min(int(asked), MaxSize)
}

// bind hashes everything that a token must not be moved across.
func bind(project string, req Request) []byte {
	h := sha256.New()
	m := req.ProtoReflect()
	write(h, "unmask page")
	write(h, string(m.Descriptor().FullName()))
	write(h, project)
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Name() == "page_size" || fd.Name() == "page_token" || !m.Has(fd) {
			continue
		}
		write(h, string(fd.Name()))
		write(h, scalar(fd, m.Get(fd)))
	}
	return h.Sum(nil)[:bindSize]
}

// scalar spells a value in a way that never changes between releases, unlike
// the encodings of protobuf.
func scalar(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if fd.IsList() || fd.IsMap() {
		panic(fmt.Sprintf("page token: %s is not a scalar", fd.FullName()))
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		return v.String()
	case protoreflect.BoolKind:
		return fmt.Sprint(v.Bool())
	case protoreflect.EnumKind:
		return fmt.Sprint(v.Enum())
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		return fmt.Sprint(v.Int())
	default:
		panic(fmt.Sprintf("page token: %s has the kind %s", fd.FullName(), fd.Kind()))
	}
}

// write adds a text with its length, so that no two lists of texts hash alike.
func write(h hash.Hash, s string) {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(min(len(s), math.MaxUint32)))
	h.Write(n[:])
	h.Write([]byte(s))
}
