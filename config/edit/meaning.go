package edit

import (
	"reflect"

	"go.yaml.in/yaml/v3"
)

// meaning is what a file says, whatever its form: maps, lists, and scalars with their type.
func meaning(n *yaml.Node) any {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.AliasNode:
		return meaning(n.Alias)
	case n.Kind == yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = meaning(n.Content[i+1])
		}
		return out
	case n.Kind == yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, item := range n.Content {
			out[i] = meaning(item)
		}
		return out
	case n.ShortTag() == "!!null":
		return nil
	}
	return [2]string{n.ShortTag(), n.Value}
}

// put is what meaning is after an edit: with value at path, or with nothing there.
func put(in any, path Path, value any, gone bool) any {
	if len(path) == 0 {
		return value
	}
	switch step := path[0].(type) {
	case string:
		out := map[string]any{}
		section, _ := in.(map[string]any)
		for k, v := range section {
			out[k] = v
		}
		if _, there := out[step]; gone && !there {
			return in
		}
		if gone && len(path) == 1 {
			delete(out, step)
			return out
		}
		out[step] = put(out[step], path[1:], value, gone)
		return out
	case int:
		list, _ := in.([]any)
		out := append([]any{}, list...)
		switch {
		case step < 0, step > len(out), gone && step == len(out):
			return in
		case gone && len(path) == 1:
			return append(out[:step], out[step+1:]...)
		case step == len(out):
			out = append(out, nil)
		}
		out[step] = put(out[step], path[1:], value, gone)
		return out
	}
	return in
}

// checked returns an edited file if it says what it should, and nothing else changed.
func (t *text) checked(data []byte, want any) (*text, error) {
	out, err := parse(data)
	if err != nil || !reflect.DeepEqual(meaning(out.root), want) {
		return nil, ErrForm
	}
	return out, nil
}

// meaning is what a file says that holds the node.
func (n node) meaning() any {
	t, err := parse([]byte(n.flow()))
	if err != nil {
		return err
	}
	return meaning(t.root)
}
