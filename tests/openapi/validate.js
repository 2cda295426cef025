// Checks an OpenAPI document: standard input is the document, standard output what is wrong with it.
//
// The exit code is 0 for a valid document of version 3.1 whose references all lead somewhere, and 1 for any other.
import { Validator } from '@seriousme/openapi-schema-validator';
import { text } from 'node:stream/consumers';

const EXPECTED = '3.1';

const validator = new Validator();
const { valid, errors } = await validator.validate(JSON.parse(await text(process.stdin)));
if (!valid) {
  console.log(JSON.stringify(errors, null, 2));
} else if (validator.version !== EXPECTED) {
  console.log(`the document is of version ${validator.version}, not ${EXPECTED}`);
} else {
  // Throws where a reference leads nowhere.
  validator.resolveRefs();
  process.exit(0);
}
process.exit(1);
