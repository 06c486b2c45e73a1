package mapping

import (
	"bytes"
	"fmt"
	"testing"
)

// fifteen is a mapping of 15 fields as the example configuration has it.
func fifteen() Table {
	return table(
		Field{From: "emailaddress1", To: "email"}, Field{From: "firstname", To: "firstName"}, Field{From: "lastname", To: "lastName"},
		Field{From: "birthdate", To: "birthDate"}, Field{From: "createdon", To: "cusSeen"}, Field{From: "gendercode", To: "gender"},
		Field{From: "donotbulkemail", To: "blackList"}, Field{From: "numberofchildren", To: "cusLong"}, Field{From: "creditlimit", To: "cusDouble"},
		Field{From: "description", To: "cusText"}, Field{From: "latitude", To: "location.zip"}, Field{From: "lastname", To: "location.city"},
		Field{From: "ownerid", To: "cusMemo"}, Field{From: "statecode", To: "cusByte"}, Field{From: "versionnumber", To: "cusInt64"},
	)
}

const fifteenRow = `{"@odata.etag":"W/\"81359849\"","contactid":"6f1d0c2a-1111-2222-3333-444455556666","emailaddress1":"ann.lee@example.test",` +
	`"firstname":"Ann","lastname":"Leé","birthdate":"1985-08-17","createdon":"2025-03-31T21:59:01Z","modifiedon":"2025-04-07T21:59:01Z",` +
	`"gendercode":2,"donotbulkemail":false,"numberofchildren":2,"creditlimit":5000000.0000,"description":"met at the fair, wants a call",` +
	`"latitude":48.85661,"_ownerid_value":"00000000-1111-2222-3333-444455556666","statecode":0,"versionnumber":81359849}`

// fifty is a custom entity of 50 columns, the most that one may have (R9.10): text
// in the main, and a fifth each of choices, amounts and instants.
func fifty() (*Mapper, []byte, error) {
	src := SourceSchema{Table: "new_thing", EntitySet: "new_things", Key: "new_thingid", Tracked: true, Columns: map[string]Column{"new_thingid": {Type: "Uniqueidentifier"}}}
	dst := TargetSchema{API: DefaultAPI, Resource: "cusThing", Fields: map[string]TargetField{"externalId": {Type: "string", ResType: "string", Length: 50}}}
	one := Table{Name: "things", Dynamics: SourceTable{Table: "new_thing"}, Campaign: TargetTable{Resource: "cusThing", Key: "externalId"}}
	row := []byte(`{"@odata.etag":"W/\"81359849\"","new_thingid":"` + contactID + `"`)
	for i := range 50 {
		from, to := fmt.Sprintf("new_c%d", i), fmt.Sprintf("c%d", i)
		column, field, value := Column{Type: "String", MaxLength: 100}, TargetField{Type: "string", ResType: "string", Length: 100}, fmt.Sprintf(`"Brougham %d"`, i)
		switch i % 5 {
		case 0:
			column, field, value = Column{Type: "Picklist", Options: map[int]string{1: "Petrol", 2: "Diesel"}}, TargetField{Type: "enumeration", ResType: "string",
				Values: map[string]EnumValue{"none": {}, "Petrol": {Value: "1"}, "Diesel": {Value: "2"}}}, "2"
		case 1:
			column, field, value = Column{Type: "Money"}, TargetField{Type: "number", ResType: "double"}, "5000.2500"
		case 2:
			column, field, value = Column{Type: "DateTime", DateTimeBehavior: "UserLocal"}, TargetField{Type: "date", ResType: "datetime"}, `"2025-03-31T21:59:01Z"`
		}
		src.Columns[from], dst.Fields[to] = column, field
		one.Fields = append(one.Fields, Field{From: from, To: to})
		row = fmt.Appendf(row, `,%q:%s`, from, value)
	}
	plan, err := Resolve(one, src, dst)
	if err != nil {
		return nil, nil, err
	}
	m, err := plan.Mapper()
	return m, append(row, '}'), err
}

func BenchmarkMap50(b *testing.B) {
	m, raw, err := fifty()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Map(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnchanged50 is what a record costs that has not changed: mapped, and
// compared with what was written.
func BenchmarkUnchanged50(b *testing.B) {
	m, raw, err := fifty()
	if err != nil {
		b.Fatal(err)
	}
	p, err := m.Map(raw)
	if err != nil {
		b.Fatal(err)
	}
	want := p.Fingerprint()
	b.ReportAllocs()
	for b.Loop() {
		now, err := m.Map(raw)
		if err != nil {
			b.Fatal(err)
		}
		if !bytes.Equal(now.Fingerprint(), want) {
			b.Fatal("differs")
		}
	}
}

func BenchmarkMap15(b *testing.B) {
	m := mapperFor(b, fifteen())
	raw := []byte(fifteenRow)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Map(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnchanged15(b *testing.B) {
	m := mapperFor(b, fifteen())
	raw := []byte(fifteenRow)
	p, err := m.Map(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		now, err := m.Map(raw)
		if err != nil {
			b.Fatal(err)
		}
		last, err := ParsePayload(p.Canonical())
		if err != nil {
			b.Fatal(err)
		}
		if body, _ := now.Diff(last); body != nil {
			b.Fatal("differs")
		}
	}
}

func BenchmarkBody15(b *testing.B) {
	m := mapperFor(b, fifteen())
	p, err := m.Map([]byte(fifteenRow))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Body()
	}
}

func BenchmarkFingerprint15(b *testing.B) {
	m := mapperFor(b, fifteen())
	p, err := m.Map([]byte(fifteenRow))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Fingerprint()
	}
}
