// HumanLayer's published client for TypeScript, unmodified. Who decides is beside it: see test_humanlayer.py.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { HumanLayer, humanlayer } from '@humanlayer/sdk'

const sleep = () => Promise.resolve()
const hl = humanlayer({ agentName: 'ts', sleep })

test('a function runs once a person approved it', async () => {
  const add = hl.requireApproval()(async function add({ a, b }) {
    return a + b
  })
  assert.equal(await add({ a: 1, b: 2 }), 3)
})

test('a denial is what the function returns', async () => {
  const drop = hl.requireApproval()(async function drop() {
    throw new Error('must not run')
  })
  assert.equal(await drop({ table: 'please deny' }), 'User denied function drop with comment: not today')
})

test('a function without arguments asks too', async () => {
  const ping = hl.requireApproval()(async function ping() {
    return 'pong'
  })
  assert.equal(await ping(), 'pong')
})

test('an approval is fetched with its comment', async () => {
  const spec = { fn: 'pay', kwargs: { amount: 1 }, state: { z: 1, a: [1.5] } }
  const status = await hl.fetchHumanApproval({ spec })
  assert.equal(status.approved, true)
  assert.equal(status.comment, 'fine')
})

test('a question is answered by the comment', async () => {
  assert.equal(await hl.humanAsTool()({ message: 'how is it?' }), 'fine')
  const refused = await hl.fetchHumanResponse({ spec: { msg: 'please deny' } })
  assert.equal(refused, '[no answer] not today')
})

test('an operator responds once, an agent never', async () => {
  const call = await hl.createFunctionCall({ spec: { fn: 'pay', kwargs: { note: 'leave it' } } })
  assert.equal(call.status.approved, null)
  await assert.rejects(hl.backend.functions().respond(call.call_id, { approved: true }), /403/)
  const operator = new HumanLayer({ apiKey: process.env.OPERATOR_KEY })
  const done = await operator.backend.functions().respond(call.call_id, { approved: false })
  assert.equal(done.status.approved, false)
  assert.equal(done.status.comment, 'Denied')
  await assert.rejects(operator.backend.functions().respond(call.call_id, { approved: true }), /call already has a response/)
  assert.equal((await hl.getFunctionCall(call.call_id)).status.approved, false)
})

test('escalating answers the same object', async () => {
  const contact = await hl.createHumanContact({ spec: { msg: 'leave it' } })
  const same = await hl.escalateEmailHumanContact(contact.call_id, { escalation_msg: 'please' })
  assert.deepEqual(same.spec, contact.spec)
  const operator = new HumanLayer({ apiKey: process.env.OPERATOR_KEY })
  const done = await operator.backend.contacts().respond(contact.call_id, { response: 'well' })
  assert.equal(done.status.response, 'well')
})

test('a wrong key is an error', async () => {
  const stranger = new HumanLayer({ apiKey: 'no-such-key' })
  await assert.rejects(stranger.createFunctionCall({ spec: { fn: 'f', kwargs: {} } }), /401/)
})
