package rpc

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// exactly returns a text as the API has it: a valid string, in which U+FFFD
// stands for every byte that is not part of valid UTF-8, and the exact bytes
// where that changed something.
func exactly(s string) (text string, bytes []byte) {
	if utf8.ValidString(s) {
		return s, nil
	}
	return clean(s), []byte(s)
}

// clean returns a text with U+FFFD for every byte that is not part of valid
// UTF-8. A string of the API that is not valid could not be sent at all.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for _, r := range s {
		// Ranging yields U+FFFD for each byte that is not part of a character.
		b.WriteRune(r)
	}
	return b.String()
}

func cleanAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = clean(s)
	}
	return out
}

// count narrows a number of things to what the API has; no plan has more.
func count[T ~int | ~int64](n T) int32 {
	return int32(min(max(int64(n), math.MinInt32), math.MaxInt32))
}

// stamp returns nil for the zero time.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
