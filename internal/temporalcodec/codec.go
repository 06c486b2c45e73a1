package temporalcodec

import (
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// What a sealed payload says of itself in clear.
const (
	encoding    = "binary/causeway-sealed" // under converter.MetadataEncoding
	metadataKey = "causeway-key"           // the id of the key
)

// KeyOf is the id of the key that a payload is sealed with; "" when it is clear.
func KeyOf(p *commonpb.Payload) string {
	if string(p.GetMetadata()[converter.MetadataEncoding]) != encoding {
		return ""
	}
	return string(p.GetMetadata()[metadataKey])
}

// bound is what a sealed value is bound to: the id of its key, and that it is a payload.
func bound(id string) []byte { return []byte(encoding + "\n" + id) }

// Encode seals. It leaves alone what is sealed already.
func (k *Keys) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if !k.Seals() {
		return payloads, nil
	}
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if out[i] = p; KeyOf(p) != "" {
			continue
		}
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("sealing a payload: %w", err)
		}
		out[i] = &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding), metadataKey: []byte(k.first)},
			Data:     k.aeads[k.first].Seal(nil, nil, plain, bound(k.first)),
		}
	}
	return out, nil
}

// Decode opens. It leaves alone what is clear, as everything is from before there was a
// key.
func (k *Keys) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		var err error
		if out[i], err = k.open(p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (k *Keys) open(p *commonpb.Payload) (*commonpb.Payload, error) {
	id := KeyOf(p)
	if id == "" {
		return p, nil
	}
	if !k.Has(id) {
		return nil, k.Missing(id)
	}
	plain, err := k.aeads[id].Open(nil, nil, p.GetData(), bound(id))
	if err != nil {
		return nil, fmt.Errorf("what is sealed with key %s was changed since, or is damaged", id)
	}
	out := &commonpb.Payload{}
	if err := proto.Unmarshal(plain, out); err != nil {
		return nil, fmt.Errorf("what is sealed with key %s is no payload: %w", id, err)
	}
	return out, nil
}
