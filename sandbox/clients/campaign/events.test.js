'use strict'
// The journal as @adobe/aio-lib-events reads it, page by page and as an observable: rows
// IO-1 to IO-5 of docs/protocol/campaign-rows.md.
const test = require('node:test')
const assert = require('node:assert/strict')
const { accessToken, admin, clientId, journal, organization } = require('./sandbox')

async function client () {
  return require('@adobe/aio-lib-events').init(organization, clientId, await accessToken())
}

test('pages, links and the end of the journal', async () => {
  const events = await client()
  const empty = await events.getEventsFromJournal(journal)
  assert.ok(empty.link.next)
  assert.equal(empty.events, undefined)

  await admin('/campaign/events', { events: 40 })
  const seen = new Set()
  let page = await events.getEventsFromJournal(journal, { limit: 7 }, true)
  assert.equal(page.events.length, 7)
  assert.ok(page.responseHeaders)
  while (page.events) {
    for (const one of page.events) {
      assert.equal(one.event.specversion, '1.0')
      assert.ok(!seen.has(one.position), 'a position comes once')
      seen.add(one.position)
    }
    assert.ok(page.link.next.startsWith('https://'), page.link.next)
    page = await events.getEventsFromJournal(page.link.next)
  }
  assert.equal(page.retryAfter, 10000)
  assert.ok(page.link.next)
  await assert.rejects(events.getEventsFromJournal(journal, { since: 'nonsense' }), /400/)
  assert.equal((await events.getEventsFromJournal(journal, { latest: true })).events, undefined)
})

test('an observable of the journal', async () => {
  const got = await new Promise((resolve, reject) => {
    const all = []
    client().then(events => {
      const subscription = events.getEventsObservableFromJournal(journal, { limit: 5 }, { interval: 50 }).subscribe({
        next: (event) => {
          all.push(event.position)
          if (all.length === 12) {
            subscription.unsubscribe()
            resolve(all)
          }
        },
        error: reject
      })
    }, reject)
  })
  assert.equal(new Set(got).size, 12)
  setImmediate(() => process.exit(process.exitCode)) // the observable polls for a subscriber for ever
})
