package rubric

import "math/bits"

// recentWord is a word that the lexer has met: its folded letters, in the order
// of the text from the lowest byte up, and what the vocabulary says of it.
type recentWord struct {
	low, high uint64
	word      int32
	hash      uint32
}

// recentWords remembers words of plain letters and digits, up to 16 bytes, so
// that their stem is looked up once. Most of a text are words just met. It has
// a fixed size, a newer word takes the place of an older one, and what it says
// is what stem and vocabulary.find say, so that no result depends on it. The
// vocabulary must not grow while it is in use.
type recentWords [1 << recentBits]recentWord

const recentBits = 12

func (r *recentWords) at(low, high uint64) *recentWord {
	return &r[(low^bits.RotateLeft64(high*0x9E3779B97F4A7C15, 32))*0xFF51AFD7ED558CCD>>(64-recentBits)]
}

// The arithmetic below works on eight bytes of a text at once: ones times a
// byte is that byte eight times over, and tops are their highest bits, of which
// one says something of each byte.
const (
	ones = 0x0101010101010101
	tops = 0x80 * ones
)

// eight returns the bytes of text from i on, the first one lowest. There must
// be as many.
func eight(text string, i int) uint64 {
	b := text[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// wordBytes tells which of eight bytes are letters and which are digits of
// ASCII. No sum below carries into the next byte, since every byte of plain is
// under 0x80.
func wordBytes(x uint64) (letters, digits uint64) {
	plain := x &^ tops
	lower := plain | 0x20*ones
	letters = (lower + (0x80-'a')*ones) &^ (lower + (0x7F-'z')*ones) & tops &^ x
	digits = (plain + (0x80-'0')*ones) &^ (plain + (0x7F-'9')*ones) & tops &^ x
	return letters, digits
}

// folded is a word as recentWords keeps it.
type folded struct {
	low, high uint64
	end       int
	// lower says that it has a character other than a capital.
	lower bool
}

// foldPlain reads the word at text[i], which is a letter or digit of ASCII. ok
// is false unless it is one that recentWords keeps and something else than an
// apostrophe or a character outside of ASCII follows.
func foldPlain(text string, i int) (w folded, ok bool) {
	const longest = 16
	if i+longest >= len(text) {
		return w, false
	}
	x := eight(text, i)
	letters, digits := wordBytes(x)
	n := bits.TrailingZeros64(^(letters|digits)&tops) >> 3
	mask := uint64(1)<<(8*n) - 1 // all ones for n = 8
	w.low = (x | letters>>2) & mask
	lower := (digits | letters&(x<<2)) & mask
	if n == 8 {
		x = eight(text, i+8)
		letters, digits = wordBytes(x)
		m := bits.TrailingZeros64(^(letters|digits)&tops) >> 3
		if m == 8 {
			return w, false
		}
		mask = uint64(1)<<(8*m) - 1
		w.high = (x | letters>>2) & mask
		lower |= (digits | letters&(x<<2)) & mask
		n += m
	}
	w.end, w.lower = i+n, lower != 0
	next := text[w.end]
	return w, next != '\'' && next < 0x80
}

// spell appends the letters of a word.
func (w *folded) spell(dst []byte) []byte {
	for _, x := range [2]uint64{w.low, w.high} {
		for ; x != 0; x >>= 8 {
			dst = append(dst, byte(x))
		}
	}
	return dst
}
