// Judges documents by a JSON Schema of draft 2020-12: standard input is `{"schema":…,"documents":[…]}`, standard output an array of
// what is wrong with each document, null where nothing is.
import Ajv from 'ajv/dist/2020.js';
import { text } from 'node:stream/consumers';

const { schema, documents } = JSON.parse(await text(process.stdin));
// Throws when the schema itself is wrong, or says something that has no effect.
const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema);
console.log(JSON.stringify(documents.map((document) => (validate(document) ? null : validate.errors))));
