package operator

import (
	"context"
	"strings"
	"unicode/utf8"

	"causeway.dev/activities"
)

// longestSought is the longest e-mail address or name that is looked for.
const longestSought = 254

// Find looks for records in Dynamics and in Campaign by an e-mail address or a name, and
// answers which there are, without values. What is looked for is sealed to the workers, and
// the answer to this process: Temporal holds neither, and nothing is kept of them.
func (i *Instance) Find(ctx context.Context, name, how, text string) (found activities.Found, err error) {
	in := activities.FindInput{How: how, By: i.By}
	if in.Table, err = i.table(name); err != nil {
		return found, err
	}
	if text, err = sought(how, text); err != nil {
		return found, err
	}
	var key activities.QuestionKeyResult
	if err := i.ask(ctx, i.Timeout, activities.QuestionKey, activities.QuestionKeyInput{}, &key); err != nil {
		return found, err
	}
	err = sealed(func(public, private *[32]byte) error {
		question := activities.Question{Text: text, AnswerTo: public[:]}
		in.AnswerTo = public[:]
		if in.Question, err = question.Seal(key.Public); err != nil {
			return failed("%v", err)
		}
		var answer activities.FindResult
		if err := i.ask(ctx, i.Timeout, activities.FindRecords, in, &answer); err != nil {
			return err
		}
		found, err = activities.OpenFound(answer.Sealed, public, private)
		return unsealed(err)
	})
	if found.Hits == nil {
		found.Hits = []activities.FoundRecord{}
	}
	return found, err
}

// sought is what to look for. It is in no error: it is a person's.
func sought(how, text string) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	switch {
	case how == activities.ByEmail && (!strings.Contains(text, "@") || strings.Contains(text, " ")):
		return "", badInput("email: want one whole e-mail address")
	case how == activities.ByName && utf8.RuneCountInString(text) < 2:
		return "", badInput("name: want at least two letters of it")
	case utf8.RuneCountInString(text) > longestSought:
		return "", badInput("%s: got more than %d letters", how, longestSought)
	}
	return text, nil
}
