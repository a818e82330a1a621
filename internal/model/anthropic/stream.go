package anthropic

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
)

// wireEvent is one event of a streamed message.
type wireEvent struct {
	Type    json.RawMessage `json:"type"`
	Index   json.RawMessage `json:"index"`
	Message *wireReply      `json:"message"`
	Block   json.RawMessage `json:"content_block"`
	Delta   json.RawMessage `json:"delta"`
	Usage   json.RawMessage `json:"usage"`
	Error   json.RawMessage `json:"error"`
}

// growing is a block whose pieces are still to come.
type growing struct {
	block
	text, thinking, input strings.Builder
}

// whole returns the block with its pieces put together.
func (g *growing) whole() block {
	b := g.block
	b.text += g.text.String()
	b.thinking += g.thinking.String()
	if g.input.Len() > 0 {
		b.input, _ = json.Marshal(g.input.String()) //nolint:errchkjson // a string
	}
	return b
}

// growth gathers the blocks of a stream in their order.
type growth struct {
	blocks []*growing
	byID   map[int64]*growing
}

// at returns the block with an index, a new one if there is none yet.
func (g *growth) at(index json.RawMessage) *growing {
	id := wire.Count(index)
	if b, ok := g.byID[id]; ok {
		return b
	}
	b := &growing{}
	g.byID[id], g.blocks = b, append(g.blocks, b)
	return b
}

// DecodeStream implements wire.Codec.
func (e endpoint) DecodeStream(body []byte) (model.Reply, error) {
	var rest wireReply
	counts := map[string]json.RawMessage{}
	content := growth{byID: map[int64]*growing{}}
	for event := range wire.Events(body) {
		var ev wireEvent
		if json.Unmarshal(event.Data, &ev) != nil {
			return model.Reply{}, transport.Cut()
		}
		switch wire.String(ev.Type) {
		case "error":
			return model.Reply{}, failure(ev.Error)
		case "message_start":
			if ev.Message != nil {
				rest = *ev.Message
				maps.Copy(counts, wire.Object(rest.Usage))
			}
		case "content_block_start":
			content.at(ev.Index).block = readBlock(wire.Object(ev.Block))
		case "content_block_delta":
			delta, b := wire.Object(ev.Delta), content.at(ev.Index)
			b.text.WriteString(wire.String(delta["text"]))
			b.thinking.WriteString(wire.String(delta["thinking"]))
			b.input.WriteString(wire.String(delta["partial_json"]))
		case "message_delta":
			if reason := wire.Object(ev.Delta)["stop_reason"]; !wire.Missing(reason) {
				rest.StopReason = reason
			}
			maps.Copy(counts, wire.Object(ev.Usage)) // they are cumulative
		case "message_stop":
			rest.Usage, _ = json.Marshal(counts) //nolint:errchkjson // counts are not worth a sample
			blocks := make([]block, len(content.blocks))
			for i, b := range content.blocks {
				blocks[i] = b.whole()
			}
			return e.read(blocks, rest), nil
		}
	}
	return model.Reply{}, transport.Cut()
}
