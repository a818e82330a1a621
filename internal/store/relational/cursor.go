package relational

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/unmask-eval/unmask/internal/run"
)

// maxPage is the most items of one page; a caller that asks for more gets a
// page of this size and a cursor.
const maxPage = 10_000

// position is where a page ended. Lists are ordered by rank (a time or an
// index), then by id or by seq, then by parent.
type position struct {
	rank, seq  int64
	id, parent string
}

// beginning lies before every row.
func beginning() position { return position{rank: math.MinInt64, seq: math.MinInt64} }

// list names one list with everything that decides what is in it. A cursor is
// bound to its list by a checksum, so that one from another list, or one that
// was made up, is recognised.
type list []string

func (l list) sum(payload []byte) []byte {
	h := sha256.New()
	h.Write([]byte(strconv.Itoa(len(l)) + ":"))
	for _, part := range l {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	h.Write(payload)
	return h.Sum(nil)[:sumSize]
}

const sumSize = 8

// cursor returns the opaque form of a position.
func (l list) cursor(p position) string {
	var b []byte
	b = binary.AppendVarint(b, p.rank)
	b = binary.AppendVarint(b, p.seq)
	b = binary.AppendUvarint(b, uint64(len(p.id)))
	b = append(b, p.id...)
	b = append(b, p.parent...)
	return base64.RawURLEncoding.EncodeToString(append(l.sum(b), b...))
}

// after returns the position that a page starts after and the number of rows
// to ask for: one more than the page holds, to know whether there is another.
func (l list) after(p run.Page) (from position, limit int, err error) {
	if p.Size < 1 {
		return position{}, 0, run.Invalid("page_size", "must be at least 1, got %d", p.Size)
	}
	limit = min(p.Size, maxPage) + 1
	if p.After == "" {
		return beginning(), limit, nil
	}
	from, ok := l.position(p.After)
	if !ok {
		return position{}, 0, run.Invalid("page_token", "is not a token of this list")
	}
	return from, limit, nil
}

func (l list) position(cursor string) (p position, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < sumSize {
		return position{}, false
	}
	sum, b := b[:sumSize], b[sumSize:]
	if string(sum) != string(l.sum(b)) {
		return position{}, false
	}
	var n int
	if p.rank, n = binary.Varint(b); n <= 0 {
		return position{}, false
	}
	b = b[n:]
	if p.seq, n = binary.Varint(b); n <= 0 {
		return position{}, false
	}
	b = b[n:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return position{}, false
	}
	b = b[n:]
	p.id, p.parent = string(b[:size]), string(b[size:])
	return p, true
}

// cut takes the row too many off a page and returns the cursor that it stands for.
func cut[T any](l list, items []T, limit int, at func(T) position) (page []T, next string) {
	if len(items) < limit {
		return items, ""
	}
	page = items[:limit-1]
	return page, l.cursor(at(page[len(page)-1]))
}
