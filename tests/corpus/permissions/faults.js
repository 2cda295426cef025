'use strict';

// The right decision, and the faults of each generation's decision, one by one.
//
// Enters: the permissions of a user as a server has them, an action, a path, and which faults are in effect.
// Leaves: a decision. Without faults it is the right one; with all of them it is the server's. Where both differ, the
// fewest faults that make up for it are the reason.

const Tree = require('happn-3/lib/services/security/permissions-tree');
const Template = require('happn-3/lib/services/security/permissions-template');
const firstUtilities = require('happn-3-first/lib/services/utils/shared');
const UtilsService = require('happn-3-first/lib/services/utils/service');

const CHANNEL = /^\/(?:REMOVE|SET|ALL)@/;
const escaped = (text) => text.replace(/[|\\{}()[\]^$+?.]/g, '\\$&');
const union = (left, right) => [...new Set([...(left || []), ...(right || [])])];

/** Adds a permission to what a path has. */
function add(permissions, path, entry) {
  const before = permissions[path] || {};
  permissions[path] = { actions: union(before.actions, entry.actions), prohibit: union(before.prohibit, entry.prohibit) };
}


function decide(matching, action) {
  const names = (list) => (list || []).some((word) => word === action || word === '*');
  return !matching.some((entry) => names(entry.prohibit)) && matching.some((entry) => names(entry.actions));
}

// --- happn-3 13.12.1 -----------------------------------------------------------------------------------------------

const LATER = ['doubled', 'letters', 'segments', 'hidden', 'overwritten', 'empty'];

function laterMatch(pattern, path, faults) {
  if (!pattern.includes('*')) return pattern === path;
  const text = faults.has('doubled') ? pattern.replace(/(.)\1+/g, '*') : pattern;
  // The end is looked for as it is written, also where letters do not count otherwise.
  if (!path.includes(text.split('*').pop())) return false;
  return new RegExp(`^${escaped(text).replace(/\*+/g, '.*')}$`, faults.has('letters') ? 'is' : 's').test(path);
}

function later(user, action, path, faults) {
  const permissions = {};
  for (const group of user.ofGroups) {
    for (const [key, entry] of Object.entries(group)) {
      if (faults.has('overwritten')) permissions[key] = entry;
      else add(permissions, key, entry);
    }
  }
  for (const [key, entry] of Object.entries(user.own)) add(permissions, key, entry);

  const filled = {};
  const template = Template.create({ getTemplatedPathCombinations: require('happn-3/lib/services/utils/service').prototype.getTemplatedPathCombinations, replaceAll: (text, from, to) => text.replaceAll(from, to) });
  for (const [key, entry] of Object.entries(permissions)) {
    let paths = [];
    try {
      paths = template.parsePermissions(key, user.identity);
    } catch (error) {
      // A value that is refused: the path stands for nothing.
    }
    if (!faults.has('empty') && paths.length > 0 && key.includes('{{')) paths = paths.filter((one) => !hasEmpty(key, user.identity));
    for (const one of paths) {
      if (faults.has('overwritten')) filled[one] = entry;
      else add(filled, one, entry);
    }
  }

  const utilities = { wildcardMatch: (pattern, text) => laterMatch(pattern, text, faults) };
  const asked = path.replace(CHANNEL, '');
  const listed = (entries) => Object.entries(entries).filter(([, entry]) => entry);
  const search = (entries) => {
    const found = new Tree(entries, utilities).search(asked);
    return { actions: found.filter((word) => !word.startsWith('!')), prohibit: found.filter((word) => word.startsWith('!')).map((word) => word.slice(1)) };
  };
  let matching;
  if (faults.has('segments')) {
    matching = faults.has('hidden') ? [search(filled)] : listed(filled).map(([key, entry]) => search({ [key]: entry }));
  } else {
    const entries = faults.has('hidden') ? leaves(new Tree(filled, utilities).tree) : listed(filled);
    matching = entries.filter(([key]) => utilities.wildcardMatch(key, asked)).map(([, entry]) => entry);
  }
  return decide(matching, action);
}

function hasEmpty(key, identity) {
  return [...key.matchAll(/\{\{(.*?)\}\}/g)].some(([, name]) => {
    const value = name.split('.').reduce((inner, part) => (inner === null || inner === undefined ? inner : inner[part]), identity);
    return value === '' || (Array.isArray(value) && value.includes(''));
  });
}

/** The permissions that are left in a tree. */
function leaves(node) {
  const found = node.$leaf === undefined ? [] : [[node.$leaf, node]];
  for (const [key, below] of Object.entries(node)) {
    if (!['$leaf', 'actions', 'prohibit'].includes(key)) found.push(...leaves(below));
  }
  return found;
}

// --- happn-3 1.13.2 ------------------------------------------------------------------------------------------------

const FIRST = ['open', 'regular', 'dots', 'dropped', 'overwritten'];

function first(user, action, path, faults) {
  let permissions = {};
  for (const group of user.ofGroups) {
    for (const [stored, entry] of Object.entries(group)) {
      const key = faults.has('dots') ? stored : stored.replaceAll('\\u002e', '.');
      if (faults.has('overwritten')) permissions[key] = entry;
      else add(permissions, key, entry);
    }
  }
  if (faults.has('dropped')) {
    const wildcards = {};
    const others = {};
    for (const [key, entry] of Object.entries(permissions)) (key.includes('*') ? wildcards : others)[key] = entry;
    permissions = { ...others, ...UtilsService.prototype.wildcardAggregate.call(firstUtilities, wildcards) };
  }
  const asked = path.replace(CHANNEL, '');
  const matches = (pattern) => {
    if (!pattern.includes('*')) return pattern === asked;
    const text = (faults.has('regular') ? pattern : escaped(pattern)).replace(/\*/g, '.*');
    return new RegExp(faults.has('open') ? text : `^${text}$`).test(asked);
  };
  return decide(
    Object.entries(permissions).filter(([key]) => matches(key)).map(([, entry]) => entry),
    action
  );
}

// --- reasons -------------------------------------------------------------------------------------------------------

/** All sets of faults, the smallest first. */
function subsets(names) {
  const all = [[]];
  for (const name of names) all.push(...all.map((set) => [...set, name]));
  return all.sort((left, right) => left.length - right.length);
}

function reasons(decision, names) {
  const sets = subsets(names);
  return {
    right: (user, action, path) => decision(user, action, path, new Set()),
    whole: (user, action, path) => decision(user, action, path, new Set(names)),
    /** The fewest faults with which all actions are answered as the server did. */
    why: (user, path, answers) => sets.find((set) => Object.entries(answers).every(([action, answer]) => decision(user, action, path, new Set(set)) === answer)),
  };
}

module.exports = { first: reasons(first, FIRST), later: reasons(later, LATER) };
