// What the head of a notebook knows of all of it, for the forms of its cells: names to choose from.

let known = { measured: [], choices: {}, sources: {}, columns: {}, variables: [] };

export const learn = (cell) => { known = cell.known; };
export const whatIsKnown = () => known;
