package activities

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/crypto/nacl/box"
)

// What a record is looked for by.
const (
	ByEmail = "email"
	ByName  = "name"
)

// QuestionKeyInput asks for the key that questions with a person's values are sealed to.
type QuestionKeyInput struct{}

// QuestionKeyResult is the workers' public key.
type QuestionKeyResult struct {
	Public []byte `json:"public"`
}

// FindInput looks for records by a person's values. What is looked for is in Question
// alone, sealed, because Temporal keeps inputs.
type FindInput struct {
	Table    Table  `json:"table"`
	How      string `json:"how"`       // ByEmail or ByName
	Question []byte `json:"question"`  // a Question, sealed to the workers' key
	AnswerTo []byte `json:"answer_to"` // X25519 public key of whoever asks, made for this question
	By       string `json:"by,omitempty"`
}

// Question is what is looked for.
type Question struct {
	Text string `json:"text"`
	// AnswerTo is the key of the input that it is asked with: who records a sealed question
	// cannot have it answered to themselves.
	AnswerTo []byte `json:"answer_to"`
}

// Seal closes a question for the workers.
func (q Question) Seal(public []byte) ([]byte, error) {
	if len(public) != 32 {
		return nil, errors.New("the worker's key has the wrong size")
	}
	plain, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	return box.SealAnonymous(nil, plain, (*[32]byte)(public), rand.Reader)
}

// FindResult is the answer, a Found, sealed to the key of the input.
type FindResult struct {
	Sealed []byte `json:"sealed"`
}

// Found are the records that fit, in the order of their ids, and values in general terms.
type Found struct {
	Hits []FoundRecord `json:"hits"`
	More bool          `json:"more,omitempty"` // there are others, which were not read
	At   time.Time     `json:"at"`             // when the systems were asked
}

// FoundRecord is a record that fits. A record of Campaign alone whose key is no id of
// Dynamics has no ID.
type FoundRecord struct {
	ID         string       `json:"id,omitempty"`
	InDynamics bool         `json:"in_dynamics"`
	InCampaign bool         `json:"in_campaign"`
	Fields     []FoundField `json:"fields"`
}

// FoundField is what both systems have in a field by which people are told apart.
type FoundField struct {
	To         string `json:"to"`
	InDynamics string `json:"in_dynamics"` // "text of 12"
	InCampaign string `json:"in_campaign"`
}

// OpenFound opens the answer of FindRecords.
func OpenFound(sealed []byte, public, private *[32]byte) (Found, error) {
	return reveal[Found](sealed, public, private)
}
